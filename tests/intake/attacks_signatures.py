"""Signature headers of the attack corpus: what is sent, and whether it may get in."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from tests.intake.front import ROLLED, SECRET, digest
from tests.mirror.builders import customer, event_json

EVENT = json.dumps(event_json(customer(), "customer.updated")).encode()
TOLERANCE = 300


class Signature(NamedTuple):
    """A header over EVENT, made when it is sent; None: there is none."""

    name: str
    make: Callable[[int], str | bytes | None]
    status: int


def _v1(stamp: str | int, secret: str = SECRET) -> str:
    return f"v1={digest(EVENT, stamp, secret)}"


SIGNATURES = [
    Signature("right", lambda now: f"t={now},{_v1(now)}", 200),
    Signature("rolled secret", lambda now: f"t={now},{_v1(now, ROLLED)}", 200),
    Signature("both secrets", lambda now: f"t={now},{_v1(now)},{_v1(now, ROLLED)}", 200),
    Signature("one right of two", lambda now: f"t={now},v1={'0' * 64},{_v1(now)}", 200),
    Signature("right beside v0", lambda now: f"t={now},v0=abc,{_v1(now)}", 200),
    Signature("right beside an unknown scheme", lambda now: rf"t={now},v9=\zz,{_v1(now)}", 200),
    Signature("spaces between", lambda now: f"t={now}, {_v1(now)}", 200),
    Signature("sixteen, the last one right", lambda now: f"t={now},{'v1=00,' * 15}{_v1(now)}", 200),
    Signature("seventeen", lambda now: f"t={now},{'v1=00,' * 16}{_v1(now)}", 400),
    Signature("as old as allowed", lambda now: f"t={now - TOLERANCE + 5},{_v1(now - TOLERANCE + 5)}", 200),
    Signature("a little older", lambda now: f"t={now - TOLERANCE - 1},{_v1(now - TOLERANCE - 1)}", 400),
    Signature("three days old", lambda now: f"t={now - 259_200},{_v1(now - 259_200)}", 400),
    Signature("as early as allowed", lambda now: f"t={now + TOLERANCE - 5},{_v1(now + TOLERANCE - 5)}", 200),
    Signature("a little earlier", lambda now: f"t={now + TOLERANCE + 5},{_v1(now + TOLERANCE + 5)}", 400),
    Signature("of tomorrow", lambda now: f"t={now + 86_400},{_v1(now + 86_400)}", 400),
    Signature("of the year 9999", lambda now: f"t=253402300799,{_v1(253402300799)}", 400),
    Signature("time zero", lambda now: f"t=0,{_v1(0)}", 400),
    Signature("missing", lambda now: None, 400),
    Signature("empty", lambda now: "", 400),
    Signature("blank", lambda now: "   ", 400),
    Signature("garbled", lambda now: ";;;==,,t,v1", 400),
    Signature("the digest alone", lambda now: digest(EVENT, now), 400),
    Signature("no time", lambda now: _v1(now), 400),
    Signature("no digest", lambda now: f"t={now}", 400),
    Signature("empty digest", lambda now: f"t={now},v1=", 400),
    Signature("half a digest", lambda now: f"t={now},{_v1(now)[:35]}", 400),
    Signature("digest and more", lambda now: f"t={now},{_v1(now)}00", 400),
    Signature("capital digest", lambda now: f"t={now},v1={digest(EVENT, now).upper()}", 400),
    Signature("v0 only", lambda now: f"t={now},v0={digest(EVENT, now)}", 400),
    Signature("wrong secret", lambda now: f"t={now},{_v1(now, 'whsec_wrong')}", 400),
    Signature("empty secret", lambda now: f"t={now},{_v1(now, '')}", 400),
    Signature("other time signed", lambda now: f"t={now},{_v1(now - 1)}", 400),
    Signature("two times, the first signed", lambda now: f"t={now - 1},t={now},{_v1(now - 1)}", 400),
    Signature("time with a sign", lambda now: f"t=+{now},{_v1(f'+{now}')}", 400),
    Signature("negative time", lambda now: f"t=-{now},{_v1(f'-{now}')}", 400),
    Signature("time with a point", lambda now: f"t={now}.0,{_v1(f'{now}.0')}", 400),
    Signature("time with leading zeros", lambda now: f"t=000{now},{_v1(f'000{now}')}", 400),
    Signature("time is huge", lambda now: f"t={'9' * 40},v1=00", 400),
    Signature("time is in words", lambda now: f"t=soon,{_v1('soon')}", 400),
    Signature("digits of another script", lambda now: f"t=١٢٣,{_v1(now)}", 400),
    Signature("superscript digits", lambda now: f"t=²,{_v1('²')}", 400),
    Signature("not ASCII", lambda now: f"t={now},v1=é", 400),
    Signature("no text", lambda now: b"t=1,v1=\xff\xfe", 400),
    Signature("four kilobytes and one", lambda now: f"t={now},{_v1(now)},x={'x' * 4096}", 400),
    Signature("eight kilobytes", lambda now: f"t={now},x={'x' * 8000},{_v1(now)}", 400),
    Signature("beyond what a header may hold", lambda now: f"t={now},x={'x' * 20_000}", 400),
]
