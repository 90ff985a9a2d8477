"""Full answers: one template per object, so that no field a client may read is absent.

Field names: annotations of the SDK's classes (stripe 16.1.0); values and nullness as recorded from real
Stripe (pay-rails/pay cassettes, 2025-10-29.clover, flexible account).
"""

from __future__ import annotations

from typing import Any

import msgspec

Doc = dict[str, Any]


def frozen(template: Doc) -> bytes:
    """A template, kept in a form that nobody can change by accident."""
    return msgspec.json.encode(template)


def fresh(template: bytes, **fields: Any) -> Doc:
    """A new object from a frozen template, with `fields` filled in."""
    doc: Doc = msgspec.json.decode(template)
    doc.update(fields)
    return doc
