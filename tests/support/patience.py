"""How long tests wait: a loaded machine of two cores may hold up any process for a while."""

from __future__ import annotations

# For what surely happens where everything works: the test goes on the moment it does.
SURELY_SECONDS = 60.0
# What comes on top of a time that the product promises. Doors without that promise need ten seconds and more:
# as long as a worker waits for a row.
ALLOWANCE_SECONDS = 3.0
# In so many seconds each door answers, whatever is wrong with the database.
DOOR_SECONDS = 2.0 + ALLOWANCE_SECONDS
