"""Random parameters from an operation's own JSON schema: plausible, at the edges, or nonsense.

New operations and new fields are met without a word here: names lead to objects, schemas to types.
"""

from __future__ import annotations

import random
import re
from typing import Any

from worker.twin import contract
from worker.twin.operations import OPERATIONS
from worker.twin.store import Table
from worker.twin.world import World

DAY = 86400
NONSENSE = ("", "x", "none", "é✓", "a" * 600, "-1", "1e9", "[]", "{}", "null", " ", "0", "true", "9" * 40)
INTEGERS = (0, 1, 2, 3, 5, 7, 10, 12, 100, 999, 5000)
FAR_INTEGERS = (-1, -5000, 10**9, 2**31, 2**53 + 1, 2**63, 10**25)
FAR_MOMENTS = (0, -1, 1, 253402300799, 253402300800, 10**18)
MOMENTS = re.compile(r"(_at|_end|_start|_date|date|time|timestamp|created|gte?|lte?|start|end|anchor)$")
CURRENCIES = ("usd", "usd", "usd", "usd", "eur", "jpy", "USD", "xyz")
DECIMALS = ("0", "1", "19.99", "0.5", "1250.25", "0.00000001", "-3", "99999999999999")
ALIASES = {
    "from_invoice": "invoice",
    "default_payment_method": "payment_method",
    "invoice_item": "invoiceitem",
    "balance_transactions": "customer_balance_transaction",
    "coupons": "coupon",
}


class Filler:
    """Fills schemas for one world; everything is drawn from `pick`."""

    def __init__(self, pick: random.Random, world: World) -> None:
        self.pick, self.world = pick, world

    def request(self, operation: str) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Ids for the path and parameters for the body."""
        _, path = OPERATIONS[operation]
        schema = contract.schema_of(operation)
        return self.ids(path), self.fill(schema, "", 0)

    def ids(self, path: str) -> tuple[str, ...]:
        """An id for each placeholder, of the kind that the segment before it names."""
        parts = path.split("/")
        return tuple(self.known(parts[n - 1]) for n, part in enumerate(parts) if part.startswith("{"))

    def known(self, name: str) -> str:
        """The id of an object that `name` (a field, or a segment of a path) may mean; rarely a wrong one."""
        table = self.table(name)
        if table is None or not table.docs or self.pick.random() < 0.05:
            return self.anything()
        return self.recent(table)

    def recent(self, table: Table) -> str:
        """Any id of a table, the newer the likelier."""
        place = int(len(table.docs) * self.pick.random() ** 0.5)
        return list(table.docs)[place]

    def anything(self) -> str:
        """An id of any kind, or one that never was."""
        full = [t for t in self.world.store.tables.values() if t.docs]
        if self.pick.random() < 0.2 or not full:
            return self.pick.choice(("sub_0", "no-such-thing", "%F0", "..", "null"))
        return self.recent(self.pick.choice(full))

    def table(self, name: str) -> Table | None:
        """The table that a name leads to: `tax_rates`, `subscriptions`, `default_price`, `customer`."""
        tables = self.world.store.tables
        plain = ALIASES.get(name, name).removeprefix("default_").removeprefix("from_").removeprefix("new_")
        for wanted in (plain, plain.removesuffix("s")):
            if wanted in tables:
                return tables[wanted]
            ending = next((kind for kind in tables if kind.endswith(f"_{wanted}")), None)
            if ending:
                return tables[ending]
        return None

    def fill(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        """A value for one schema."""
        if "anyOf" in schema:
            return self.fill(self.pick.choice(schema["anyOf"]), name, depth)
        if "enum" in schema:
            return self.pick.choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object":
            return self._object(schema, name, depth)
        if kind == "array":
            count = self.pick.choice((0, 1, 1, 1, 2, 3, 21 if depth < 2 else 1))
            return [self.fill(schema["items"], name, depth + 1) for _ in range(count)]
        return self._scalar(kind, schema, name)

    def _object(self, schema: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if properties is None:
            return {key: self._text("") for key in self.pick.sample(("a", "0", "prorata_change", "é"), 2)}
        chance = (0.2, 0.35, 0.3, 0.2)[min(depth, 3)]
        wanted = set(schema.get("required", ()))
        return {
            key: self.fill(inner, key if key != "id" else name, depth + 1)
            for key, inner in properties.items()
            if key in wanted or self.pick.random() < chance
        }

    def _scalar(self, kind: str | None, schema: dict[str, Any], name: str) -> Any:
        if kind == "boolean":
            return self.pick.random() < 0.5
        if kind == "integer":
            return self._integer(name)
        if kind == "number":
            return self.pick.choice((0, 1, 5.5, 12.5, 50, 100, 101, -1, 1e6))
        if "pattern" in schema:
            return self.pick.choice(DECIMALS)
        return self._text(name)

    def _integer(self, name: str) -> int:
        odd = self.pick.random() < 0.08
        if MOMENTS.search(name):
            near = self.world.clock.now() + self.pick.choice((0, 1, -1, DAY, -DAY, 40 * DAY, 400 * DAY))
            return self.pick.choice(FAR_MOMENTS) if odd else near
        return self.pick.choice(FAR_INTEGERS if odd else INTEGERS)

    def _text(self, name: str) -> str:
        if self.pick.random() < 0.03:
            return self.pick.choice(NONSENSE)
        if name == "expand":
            return self._path()
        if name == "currency":
            return self.pick.choice(CURRENCIES)
        if name in ("starting_after", "ending_before"):
            return self.anything()
        if name == "items" and (table := self.table("subscription_item")) and table.docs:
            return self.recent(table)
        if self.table(name) is not None:
            return self.known(name)
        return self.pick.choice(("one", "two", "https://example.invalid/hook", "fr", "USD", "2026-11-01"))

    def _path(self) -> str:
        """A path to expand: fields that exist somewhere, in any order, sometimes too many."""
        table = self.pick.choice([t for t in self.world.store.tables.values() if t.docs])
        doc: Any = table.docs[self.recent(table)]
        parts = ["data"] if self.pick.random() < 0.3 else []
        for _ in range(self.pick.choice((1, 1, 2, 3, 6))):
            name = self.pick.choice([*doc, "latest_invoice", "customer", "payments", "data"])
            parts.append(name)
            below = doc.get(name)
            doc = below if isinstance(below, dict) and below else doc
        return ".".join(parts)
