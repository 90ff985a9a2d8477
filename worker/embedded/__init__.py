"""An embedded PostgreSQL: a private server for a laptop, a demonstration or a run of the tests.

Only the *programs* of an installed package are used, with a launcher of our own: the packages' own helpers
create system users and change the permissions of foreign folders when they run as root.
"""

from __future__ import annotations

from worker.embedded.binaries import EmbeddedPostgresError
from worker.embedded.server import EmbeddedPostgres, find_running, stop_running

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "find_running", "stop_running"]
