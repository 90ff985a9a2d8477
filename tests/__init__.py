"""The tests of Prorata, one folder per kind of module."""
