"""Size: what `make test` shows once, again and again for as long as there is time."""
