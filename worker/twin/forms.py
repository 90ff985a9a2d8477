"""Form bodies and query strings as Stripe reads them: `a[b][0][c]=v`, `a[]=v`, `a[0]=v`.

Everything stays text here; `contract` gives it types, because only the schema knows whether `[0]` is a list
index or a metadata key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from worker.twin.errors import ApiError

Node = dict[str, Any]


def split_key(key: str) -> list[str]:
    """`items[0][price]` -> `["items", "0", "price"]`."""
    head, bracket, rest = key.partition("[")
    if not bracket:
        return [head]
    if not rest.endswith("]"):
        raise ApiError(400, f"Invalid parameter name: {key}", param=key, executed=False)
    return [head, *rest[:-1].split("][")]


def decode(pairs: Iterable[tuple[str, str]]) -> Node:
    """Nest flat pairs; a list index stays a text key, `[]` gets the next free one."""
    root: Node = {}
    for key, value in pairs:
        *parents, last = split_key(key)
        node = root
        for name in parents:
            node = _descend(node, name, key)
        node[last or str(len(node))] = value
    return root


def _descend(node: Node, name: str, key: str) -> Node:
    child = node.setdefault(name or str(len(node)), {})
    if not isinstance(child, dict):
        raise ApiError(400, f"Invalid parameter: {key}", param=key, executed=False)
    return child


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The pairs of an urlencoded body or query string; empty values are kept (they mean "unset")."""
    return parse_qsl(text, keep_blank_values=True)


def flatten(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """The reverse, as the SDK 16.1.0 encodes (indexed lists, `true`/`false`, None skipped)."""
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in flatten(v, f"{prefix}[{k}]" if prefix else str(k))]
    if isinstance(value, list | tuple):
        return [p for i, v in enumerate(value) for p in flatten(v, f"{prefix}[{i}]")]
    if value is None:
        return []
    return [(prefix, str(value).lower() if isinstance(value, bool) else str(value))]
