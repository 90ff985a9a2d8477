"""Retention and pruning."""
