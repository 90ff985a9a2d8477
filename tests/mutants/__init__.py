"""Bugs planted on purpose: each has to be caught by a seed on which the product as it is passes."""
