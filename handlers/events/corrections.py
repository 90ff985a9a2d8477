"""Events about disputes and refunds. Neither is mirrored, but its charge is: each is a hint to read that."""

from __future__ import annotations

from typing import Final

import msgspec

from sync.mirror_rows import Kind
from sync.observation import Observation
from sync.stripe_objects import AboutCharge, Event, ref_id

TYPES: Final = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "refund.updated",
        "refund.failed",
    }
)
RETURNED: Final = ("failed", "canceled")


def observe(event: Event) -> Observation | None:
    """A hint to read the charge; None where the charge is not touched, or there is none.

    Refunds tell of many small things. `charge.refunded` says what was given back; only a refund that does
    not arrive takes something of that away again.
    """
    about = msgspec.json.decode(event.data.object, type=AboutCharge)
    charge_id = ref_id(about.charge)
    if not charge_id or (about.object == "refund" and about.status not in RETURNED):
        return None
    return Observation(Kind.CHARGE, charge_id, event.created, event.id, shown=None)
