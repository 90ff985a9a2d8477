"""Intake and inbox: what comes in is stored once, and ends once."""
