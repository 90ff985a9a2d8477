"""Older API versions: one small transformation per change, applied from the newest to the oldest.

The twin works in the version that the installed SDK pins. What leaves it for a client of an older version
(an answer, or an event for an endpoint) is rewritten change by change until it has that version's shape, as
Stripe describes its own versioning ("APIs as infrastructure: future-proofing Stripe with versioning").
Sources of the changes: docs.stripe.com/changelog, one page per change, and the SDK's changelog.

    checked     the version a client asked for, or Stripe's refusal
    answer      an object, list or error-free answer in that version's shape
    event       an event with its `previous_attributes` in that version's shape
    path        where a removed endpoint of that version lives today
    request     a form of that version as the pinned contract reads it
    included    fields that only an older version can expand
"""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from worker.twin import contract
from worker.twin.errors import ApiError
from worker.twin.events import difference, snapshot
from worker.twin.store import Doc
from worker.twin.versions import history
from worker.twin.versions.requests import older_form as request
from worker.twin.versions.requests import older_path as path
from worker.twin.world import World

OLDEST = "2020-08-27"

__all__ = ["OLDEST", "answer", "checked", "event", "included", "known", "path", "request"]


@functools.cache
def known() -> frozenset[str]:
    """Every version that the installed SDK names."""
    schema = contract.schema_of("webhook_endpoint_create")["properties"]["api_version"]
    return frozenset(v for v in schema["enum"] if v)


def checked(version: str, param: str | None = None) -> str:
    """`version` if the twin can speak it; else 400 (a version that does not exist, is newer than the SDK, or
    is older than the oldest one that the twin renders).
    """
    if version == contract.api_version() or (version in known() and version >= OLDEST):
        return version
    text = f"Invalid Stripe API version: {version}"
    if version in known():
        text += f". The twin renders versions from {OLDEST} on."
    raise ApiError(400, text, param=param, executed=False)


def default(world: World) -> str:
    """The account's version: for requests without `Stripe-Version` and endpoints without one of their own."""
    return world.account.default_api_version or contract.api_version()


def answer(world: World, doc: Doc, version: str) -> Doc:
    """A copy of `doc` in the shape of `version`."""
    if version == contract.api_version():
        return doc
    copy: Doc = msgspec.json.decode(msgspec.json.encode(doc))
    history.rewrite(world, copy, version)
    return copy


def event(world: World, shown: Doc, version: str) -> Doc:
    """A copy of an event for an endpoint of `version`; what changed is worked out again in that shape."""
    if version == contract.api_version():
        return {**shown, "api_version": version}
    copy: Doc = msgspec.json.decode(msgspec.json.encode(shown))
    data = copy["data"]
    copy["api_version"] = version
    older = _laid_over(data["object"], data["previous_attributes"]) if "previous_attributes" in data else None
    history.rewrite(world, data["object"], version)
    if older is not None:
        history.rewrite(world, older, version)
        data["previous_attributes"] = difference(snapshot(older), data["object"])
    return copy


def _laid_over(new: Any, previous: Any) -> Any:
    """The object as it was: `previous_attributes` laid over it, hashes key by key, all else whole."""
    if not isinstance(new, dict) or not isinstance(previous, dict):
        return msgspec.json.decode(msgspec.json.encode(previous))
    copy = msgspec.json.decode(msgspec.json.encode(new))
    return {**copy, **{name: _laid_over(new.get(name), value) for name, value in previous.items()}}


def included(world: World, version: str) -> dict[tuple[str, str], Any]:
    """(object, field) -> how to make it, for paths such as `latest_invoice.payment_intent`."""
    return history.expandable(world) if version < history.BASIL else {}
