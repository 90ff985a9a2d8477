"""What every flow needs, built once by the process and passed down as one object."""

from __future__ import annotations

from dataclasses import dataclass

from sync.gateway import Gateway
from sync.mirror import Mirror
from sync.rules.catalog import Catalog
from sync.rules.policy import Policy
from sync.store.db import Pool


@dataclass(frozen=True, slots=True)
class Billing:
    """The collaborators of the flows; durations in seconds of wall time."""

    pool: Pool
    gateway: Gateway
    catalog: Catalog
    policy: Policy
    mirror: Mirror
    quote_ttl_seconds: int = 600
    apply_deadline_seconds: int = 900
    support_email: str | None = None
