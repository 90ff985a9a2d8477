"""Free ports of this machine."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress


def free_port(wished: int = 0) -> int:
    """A port of this machine that was free a moment ago: the wished one, if it is free. Raises OSError.

    Otherwise below the range that the system hands out to outgoing connections, so that none of those takes
    it before somebody listens, or while whoever listens there is started again.
    """
    candidates = [wished] if wished else []
    candidates += [secrets.randbelow(12_000) + 20_000 for _ in range(50)]
    for port in candidates:
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise OSError("this machine has no free port on 127.0.0.1")
