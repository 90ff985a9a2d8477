"""All SQL but the intake's: rows in, rows out, no decisions."""
