"""One run of the probes against one Stripe, one probe after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import tests.sandbox.probes  # noqa: F401  # importing registers them
from tests.sandbox.lab import Lab, Session
from tests.sandbox.probe import Probe, Seen


async def look(session: Session, probe: Probe) -> Seen:
    """What is seen; a probe that breaks has seen its error."""
    lab = Lab(session, probe.name)
    try:
        return await probe.look(lab)
    except Exception as error:  # whatever another Stripe answers is an observation
        text = str(getattr(error, "user_message", None) or error)
        return {"broke": f"{type(error).__name__}: {text[:160]}"}
    finally:
        await lab.close()


async def run(
    session: Session, probes: Iterable[Probe], tick: Callable[[str], None] = lambda name: None
) -> dict[str, Seen]:
    """The observations of all `probes`, by name; cleans up whatever happens."""
    seen: dict[str, Seen] = {}
    try:
        for each in probes:
            tick(each.name)
            seen[each.name] = await look(session, each)
    finally:
        await session.close()
    return seen
