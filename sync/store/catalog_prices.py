"""The catalog's prices at Stripe: which lookup key is which price, and which are sold now."""

from __future__ import annotations

from dataclasses import dataclass

from sync.rules.catalog import PriceBook, PriceRow
from sync.store.db import Connection, Executor

SELECT_PRICES = """
SELECT lookup_key, stripe_price_id, unit_amount_minor, sold_now FROM catalog_price
"""

# Retire first, or the index "one sold price a slot" would refuse the new one.
RETIRE_OTHERS = """
UPDATE catalog_price SET sold_now = false WHERE slot = ANY ($1) AND sold_now AND lookup_key <> ALL ($2)
"""
# A foreign price that was adopted, and has got our lookup key since, is known by that from now on.
FORGET_ADOPTED = """
DELETE FROM catalog_price AS known
 USING unnest($1::text[], $2::text[], $3::text[]) AS price (lookup_key, slot, price_id)
 WHERE known.stripe_price_id = price.price_id AND known.slot = price.slot
   AND known.lookup_key <> price.lookup_key
"""
UPSERT_PRICES = """
INSERT INTO catalog_price
       (lookup_key, slot, version, stripe_price_id, stripe_product_id, unit_amount_minor, currency, sold_now)
SELECT lookup_key, slot, version, price_id, product_id, amount, currency, true
  FROM unnest($1::text[], $2::text[], $3::int[], $4::text[], $5::text[], $6::bigint[], $7::text[])
       AS price (lookup_key, slot, version, price_id, product_id, amount, currency)
 ORDER BY lookup_key
ON CONFLICT (lookup_key) DO UPDATE
   SET stripe_price_id = excluded.stripe_price_id, sold_now = true
"""


@dataclass(frozen=True, slots=True)
class CatalogPrice:
    """One price as it exists at Stripe."""

    lookup_key: str
    slot: str
    version: int
    stripe_price_id: str
    stripe_product_id: str
    unit_amount_minor: int
    currency: str


async def book(conn: Executor) -> PriceBook:
    """Every known price, retired ones too."""
    return PriceBook.build([PriceRow(*row) for row in await conn.fetch(SELECT_PRICES)])


async def sell(conn: Connection, prices: list[CatalogPrice]) -> None:
    """Make these the prices sold now; what their slots sold before is retired, never forgotten."""
    rows = sorted(prices, key=lambda price: price.lookup_key)
    await conn.execute(RETIRE_OTHERS, [row.slot for row in rows], [row.lookup_key for row in rows])
    known = ([getattr(row, name) for row in rows] for name in ("lookup_key", "slot", "stripe_price_id"))
    await conn.execute(FORGET_ADOPTED, *known)
    names = (
        "lookup_key",
        "slot",
        "version",
        "stripe_price_id",
        "stripe_product_id",
        "unit_amount_minor",
        "currency",
    )
    await conn.execute(UPSERT_PRICES, *([getattr(row, name) for row in rows] for name in names))
