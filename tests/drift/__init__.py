"""Drift: found by reconciliation, and what people do about it."""
