"""Reading what there is to adopt: lists of 100 with the customers in them, never one read per subscription.

A whole walk is kept in memory, without the bodies: whether a customer has a second living subscription is
known only at its end. What a walk that was interrupted had read is not used later: it would be old.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from sync.adopt.found import Candidate, Prices, candidate, with_products, with_siblings
from sync.billing import Billing
from sync.errors import Code, NotFound
from sync.gateway import ObjectPage, ObjectRead
from sync.rules.entitlements import ENDED
from sync.rules.price_book import PriceBook
from sync.store import backfills
from sync.stripe_objects import Product, Subscription, ref_id

WITH_CUSTOMER: Final[dict[str, Any]] = {"expand": ["data.customer"]}
PRODUCTS_PER_LIST: Final = 100

Mirrored = Callable[[Sequence[ObjectRead], datetime], Awaitable[None]]
Counted = Callable[[int], None]


class _Expanded(msgspec.Struct):
    customer: msgspec.Raw


async def read_all(
    billing: Billing, book: PriceBook, keep: Mirrored | None, counted: Counted
) -> list[Candidate]:
    """Every living subscription, in the order of their ids.

    `keep` is given what was read, a page at a time, with the database's time before that; `counted` hears
    how many there are so far.
    """
    found = list[Candidate]()
    async for some in _pages(billing, WITH_CUSTOMER, keep):
        found += some
        counted(len(found))
    living = _with_all_siblings(found)
    return sorted(await _with_products(billing, book, living), key=lambda each: each.subscription.id)


async def read_one(
    billing: Billing, book: PriceBook, keep: Mirrored | None, subscription_id: str
) -> Candidate:
    """One subscription with the others of its customer, kept like those of `read_all`. Raises NotFound."""
    read = await billing.gateway.read_object("subscription", subscription_id)
    if read.body is None:
        detail = f"Stripe has no subscription {subscription_id}. Nothing was changed."
        raise NotFound(Code.NOT_FOUND, detail)
    customer_id = ref_id(read.decode(Subscription).customer)
    params = {**WITH_CUSTOMER, "customer": customer_id, "status": "all"}
    found = [each async for some in _pages(billing, params, keep) for each in some]
    [wanted] = [each for each in _with_all_siblings(found) if each.subscription.id == subscription_id]
    return (await _with_products(billing, book, [wanted]))[0]


async def _pages(
    billing: Billing, params: Mapping[str, Any], keep: Mirrored | None
) -> AsyncIterator[list[Candidate]]:
    """The pages of a list of subscriptions, each kept before it is looked at."""
    prices = Prices()
    after: str | None = None
    more = True
    while more:
        began = await backfills.now(billing.pool)
        page = await billing.gateway.list_objects("subscription", params, starting_after=after)
        if keep is not None:
            await keep(objects_of(page), began)
        yield [candidate(read.body or b"", page.date_unix, prices) for read in page.reads]
        more, after = page.has_more, page.last_id


def objects_of(page: ObjectPage) -> list[ObjectRead]:
    """The subscriptions of a page, and their customers as objects of their own, each once."""
    customers: dict[str, ObjectRead] = {}
    for read in page.reads:
        body = bytes(msgspec.json.decode(read.body or b"", type=_Expanded).customer)
        if body.startswith(b"{"):
            customer_id = msgspec.json.decode(body, type=_Id).id
            customers[customer_id] = ObjectRead("customer", customer_id, body, read.sent_unix, read.date_unix)
    return [*page.reads, *customers.values()]


class _Id(msgspec.Struct):
    id: str


def _with_all_siblings(found: Iterable[Candidate]) -> list[Candidate]:
    """What has ended is nobody's sibling."""
    by_customer: dict[str, list[Candidate]] = defaultdict(list)
    for each in found:
        by_customer[each.customer.id].append(each)
    return [
        with_siblings(
            each,
            tuple(
                other.subscription.id
                for other in several
                if other is not each and other.subscription.status not in ENDED
            ),
        )
        for several in by_customer.values()
        for each in several
    ]


async def _with_products(billing: Billing, book: PriceBook, found: Sequence[Candidate]) -> list[Candidate]:
    """Add the metadata of the products of prices that are not known here."""
    wanted = sorted(
        {
            item.price.product_id
            for each in found
            for item in each.subscription.items
            if book.slot_of(item.price.id) is None
        }
    )
    metadata: dict[str, dict[str, str]] = {}
    for start in range(0, len(wanted), PRODUCTS_PER_LIST):
        ids = wanted[start : start + PRODUCTS_PER_LIST]
        page = await billing.gateway.list_objects("product", {"ids": ids})
        products = [read.decode(Product) for read in page.reads]
        metadata |= {product.id: product.metadata for product in products if product.metadata}
    return [with_products(each, metadata) for each in found]
