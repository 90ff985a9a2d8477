"""Figures, printed and bounded: `make bench`."""
