"""Adoption: existing subscriptions of a Stripe account become terms here. Nothing is written to Stripe.

`reading` lists them, `owner` says whose they are, `sync.rules.adoption` maps them, `take_over` writes what
maps exactly, one transaction each, and keeps the outcome of every one of them.
"""

from __future__ import annotations

from sync.adopt.owner import Naming
from sync.adopt.run import Adoption, Choice, Progress, adopt
from sync.adopt.take_over import Outcome, Result

__all__ = ["Adoption", "Choice", "Naming", "Outcome", "Progress", "Result", "adopt"]
