"""How properties are tested here: no time limit per example, since several engineers share a machine."""

from hypothesis import settings

# No example database: a failure prints the line that repeats it, and no folder is left behind.
settings.register_profile("rules", deadline=None, database=None, print_blob=True)
settings.load_profile("rules")
