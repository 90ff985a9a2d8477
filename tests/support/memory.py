"""How much memory this process holds."""

from __future__ import annotations

import gc
import os
from pathlib import Path

# What the product may grow by under any load.
GROWTH_BYTES = 30 * 1024 * 1024


def resident_bytes() -> int:
    """What is in RAM, without what could be thrown away at once."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
