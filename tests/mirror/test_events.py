"""Events become rows: in any order, twice, in one second, after the end."""

from __future__ import annotations

import itertools

import pytest

from handlers import inbox
from tests.mirror.builders import SECOND, customer, event, invoice, item, subscription, updated
from tests.mirror.conftest import Bench


async def test_a_subscription_is_mirrored_with_its_items(bench: Bench) -> None:
    """Row and items hold what the event shows, in Stripe's order."""
    shown = subscription("sub_1", item("si_b", 2), item("si_a", 7), status="past_due", metadata={"k": "v"})

    await bench.deliver(event(shown, "customer.subscription.created"))

    row = await bench.pool.fetchrow("SELECT customer_id, status, metadata FROM stripe_subscription")
    items = await bench.pool.fetch("SELECT id, quantity FROM stripe_subscription_item ORDER BY position")
    assert row is not None
    assert tuple(row) == ("cus_1", "past_due", {"k": "v"})
    assert [tuple(each) for each in items] == [("si_b", 2), ("si_a", 7)]


async def test_items_are_replaced_as_a_whole(bench: Bench) -> None:
    """An item that is not listed any more does not stay behind."""
    first = subscription("sub_1", item("si_a"), item("si_b"))
    later = subscription("sub_1", item("si_b", 4))

    await bench.deliver(event(first, "customer.subscription.created"))
    await bench.deliver(event(later, "customer.subscription.updated", created=SECOND + 1, event_id="evt_2"))

    items = await bench.pool.fetch("SELECT id, quantity FROM stripe_subscription_item")
    assert [tuple(each) for each in items] == [("si_b", 4)]


async def test_an_older_event_is_ignored(bench: Bench) -> None:
    """What was true in an earlier second does not overwrite what is held."""
    await bench.deliver(updated("evt_2", 5, now=5))
    await bench.deliver(updated("evt_1", 4, now=4))

    assert await bench.quantity() == 5
    assert await bench.doubts() == {}


@pytest.mark.parametrize("apart", [True, False])
async def test_a_second_is_put_in_order_by_its_contents(bench: Bench, apart: bool) -> None:
    """Created and updated within one second end right in both orders, in one batch or in two."""
    created = event(
        subscription("sub_1", item(quantity=1)), "customer.subscription.created", event_id="evt_z"
    )
    later = updated("evt_a", 0, now=2, was=1)
    for first, second in itertools.permutations([created, later]):
        await bench.pool.execute(
            "TRUNCATE inbox, stripe_object, stripe_subscription, stripe_subscription_item"
        )
        if apart:
            await bench.deliver(first)
            await bench.deliver(second)
        else:
            await bench.deliver(first, second)
        assert await bench.quantity() == 2

    assert await bench.doubts() == {}


async def test_an_invoice_never_steps_back_within_a_second(bench: Bench) -> None:
    """Draft, open and paid of one second end in paid, whatever the order of arrival."""
    burst = [
        event(invoice(status="paid"), "invoice.paid", event_id="evt_1"),
        event(invoice(status="draft"), "invoice.created", event_id="evt_2"),
        event(invoice(status="open"), "invoice.finalized", event_id="evt_3"),
    ]

    for one in burst:
        await bench.deliver(one)

    assert await bench.pool.fetchval("SELECT status FROM stripe_invoice") == "paid"
    assert await bench.doubts() == {}


async def test_an_unprovable_second_is_doubted(bench: Bench) -> None:
    """Two changes of one second that do not link are not written: the object is read."""
    await bench.deliver(updated("evt_1", 0, now=1))
    await bench.deliver(updated("evt_2", 0, now=3, was=2))

    assert await bench.quantity() == 1
    assert await bench.doubts() == {"sub_1": "unproven"}


async def test_a_missing_event_is_noticed(bench: Bench) -> None:
    """An event whose own past contradicts the mirror asks for a read."""
    await bench.deliver(updated("evt_1", 0, now=1))
    await bench.deliver(updated("evt_3", 2, now=3, was=2))

    assert await bench.doubts() == {"sub_1": "gap"}


async def test_a_deleted_object_does_not_come_back(bench: Bench) -> None:
    """After a deletion no event of the object is applied, however late it is dated."""
    await bench.deliver(event(customer(), "customer.created"))
    await bench.deliver(event(customer(), "customer.deleted", created=SECOND + 5, event_id="evt_2"))
    await bench.deliver(event(customer(name="Eve"), "customer.updated", created=SECOND + 9, event_id="evt_3"))

    row = await bench.pool.fetchrow(
        "SELECT name, deleted_at IS NOT NULL FROM stripe_customer JOIN stripe_object USING (id)"
    )
    assert row is not None
    assert tuple(row) == ("Ada", True)


async def test_all_orders_of_a_life_end_the_same(bench: Bench) -> None:
    """Created, updated and canceled in every order end in canceled."""
    life = [
        event(subscription(status="incomplete"), "customer.subscription.created", event_id="evt_1"),
        updated("evt_2", 1, now=2),
        event(
            subscription(status="canceled"),
            "customer.subscription.deleted",
            created=SECOND + 2,
            event_id="evt_3",
        ),
    ]
    for order in itertools.permutations(life):
        await bench.pool.execute(
            "TRUNCATE inbox, stripe_object, stripe_subscription, stripe_subscription_item"
        )
        for one in order:
            await bench.deliver(one)
        assert await bench.pool.fetchval("SELECT status FROM stripe_subscription") == "canceled"


@pytest.mark.parametrize(
    "hint",
    [
        event(subscription(more=True), "customer.subscription.updated"),
        event(subscription(), "customer.subscription.updated", api_version="2020-08-27"),
    ],
    ids=["cut list", "other version"],
)
async def test_a_hint_is_read_not_believed(bench: Bench, hint: inbox.InboxEvent) -> None:
    """A list that is cut off, or another API version, writes nothing and asks for a read."""
    await bench.deliver(hint)

    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_subscription") == 0
    assert await bench.doubts() == {"sub_1": "unreadable"}


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"livemode": True}, "ignored"),
        ({"account": "acct_other"}, "ignored"),
        ({"event_type": "account.updated"}, "ignored"),
        ({"event_type": "invoice.upcoming"}, "ignored"),
    ],
)
async def test_foreign_events_change_nothing(bench: Bench, changes: dict[str, object], state: str) -> None:
    """Another mode, another account and unlisted types are kept and ignored."""
    event_type = str(changes.pop("event_type", "customer.subscription.updated"))

    await bench.deliver(event(subscription(), event_type, **changes))

    assert await bench.state("evt_1") == state
    assert await bench.pool.fetchval("SELECT count(*) FROM stripe_object") == 0


async def test_only_customers_with_changed_rows_are_woken(bench: Bench) -> None:
    """An event that changes no row of a subscription or invoice wakes nobody."""
    await bench.deliver(event(customer(), "customer.created"), updated("evt_2", 0, now=1))
    await bench.deliver(updated("evt_3", 1, now=1))

    assert bench.woken == ["cus_1"]


async def test_nul_in_a_name_is_left_out(bench: Bench) -> None:
    """A character that PostgreSQL's text cannot hold does not stop the event."""
    shown = customer(name="A\0da", metadata={"k\0": "v\0"})

    await bench.deliver(event(shown, "customer.created"))

    row = await bench.pool.fetchrow("SELECT name, metadata FROM stripe_customer")
    assert row is not None
    assert tuple(row) == ("Ada", {"k": "v"})
