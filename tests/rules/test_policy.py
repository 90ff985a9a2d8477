"""The policy: what is self-serve, by request or refused, and that a broken table is found."""

from collections import Counter
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors import BadInput
from sync.rules.policy import DIRECTIONS, Action, Decision, Dimension, Direction, Effective, Policy, Rule
from tests.rules.builders import CATALOG, POLICY

TEXT = resources.files("sync.rules").joinpath("policy.toml").read_text("utf-8")
NOW, RENEWAL, REQUEST = Decision.SELF_SERVE_NOW, Decision.SELF_SERVE_AT_RENEWAL, Decision.BY_REQUEST

ROW = """
[[rules]]
dimension = "{0}"
direction = "{1}"
product = "{2}"
decision = "refused"
proration_behavior = "none"
reason = "Not here."
"""


def with_row(dimension: str, direction: str, product: str) -> Policy:
    """Return the packaged policy with one more row, which refuses."""
    return Policy.load(TEXT + ROW.format(dimension, direction, product))


def broken(old: str, new: str) -> Policy:
    """Return the packaged policy with the first `old` of its file replaced."""
    assert old in TEXT
    return Policy.load(TEXT.replace(old, new, 1))


def test_the_packaged_policy_has_no_fault() -> None:
    """What comes with Prorata is complete, unique and alive."""
    assert POLICY.check(CATALOG) == []


@pytest.mark.parametrize(
    ("dimension", "direction", "decision"),
    [
        ("purchase", "first", NOW),
        ("product", "to_bundle", NOW),
        ("product", "from_bundle", REQUEST),
        ("product", "switch", REQUEST),
        ("tier", "up", NOW),
        ("tier", "down", REQUEST),
        ("contact_limit", "up", NOW),
        ("contact_limit", "down", RENEWAL),
        ("seats", "up", NOW),
        ("seats", "down", RENEWAL),
        ("add_ons", "add", NOW),
        ("add_ons", "more", NOW),
        ("add_ons", "fewer", REQUEST),
        ("add_ons", "remove", REQUEST),
        ("interval", "to_year", REQUEST),
        ("interval", "to_month", REQUEST),
        ("cancellation", "at_period_end", REQUEST),
        ("cancellation", "undo", REQUEST),
    ],
)
def test_the_default_decisions(dimension: str, direction: str, decision: Decision) -> None:
    """More happens now, fewer contacts or seats at renewal, the rest through support."""
    assert POLICY.decide(Dimension(dimension), Direction(direction), "sales").decision is decision


def test_a_first_purchase_may_stay_incomplete() -> None:
    """Stripe refuses a pending update on a creation, so an unpaid purchase is left incomplete instead."""
    assert POLICY.decide(Dimension.PURCHASE, Direction.FIRST, "sales").payment_behavior == "allow_incomplete"


def test_increases_wait_for_their_payment() -> None:
    """An upgrade is paid or it does not happen."""
    rule = POLICY.decide(Dimension.SEATS, Direction.UP, "sales")
    assert (rule.proration_behavior, rule.payment_behavior) == ("always_invoice", "pending_if_incomplete")


def test_the_year_starts_now_and_the_month_at_renewal() -> None:
    """Paying for longer is charged at once, paying for less time waits for what is paid already."""
    to_year = POLICY.decide(Dimension.INTERVAL, Direction.TO_YEAR, "sales")
    to_month = POLICY.decide(Dimension.INTERVAL, Direction.TO_MONTH, "sales")
    assert (to_year.on_approval, to_month.on_approval) == ((Effective.NOW,), (Effective.RENEWAL,))


@pytest.mark.parametrize(
    ("role", "action", "expected"),
    [
        ("primary_admin", Action.CHANGE_BILLING, True),
        ("member", Action.CHANGE_BILLING, False),
        ("support", Action.CHANGE_BILLING, False),
        ("automation", Action.ACT_FOR_ADMIN, True),
        ("support", Action.DECIDE_REQUESTS, True),
        ("primary_admin", Action.DECIDE_REQUESTS, False),
    ],
)
def test_who_may_do_what(role: str, action: Action, expected: bool) -> None:
    """Only the primary admin changes billing; support decides requests; automation acts in a name."""
    assert POLICY.may(role, action) is expected


def test_every_move_of_every_product_is_decided_by_exactly_one_row() -> None:
    """For each dimension, direction and product that can move, one row speaks, and none is left over."""
    spoken = Counter[str]()
    for dimension, directions in DIRECTIONS.items():
        for direction in directions:
            for product in CATALOG.products:
                rule = POLICY.decide(dimension, direction, product)
                spoken[f"{rule.dimension} {rule.direction} {rule.product}"] += 1
    assert spoken.keys() == {f"{rule.dimension} {rule.direction} {rule.product}" for rule in POLICY.rules}
    assert spoken.total() == len(CATALOG.products) * sum(map(len, DIRECTIONS.values()))


@given(st.sets(st.sampled_from(range(len(POLICY.rules)))), st.sampled_from(POLICY.rules))
def test_a_table_with_a_gap_or_a_double_never_passes(gone: set[int], again: Rule) -> None:
    """Take any rows away, or say any one twice: the check names every fault."""
    kept = tuple(rule for place, rule in enumerate(POLICY.rules) if place not in gone)
    assert len(replace(POLICY, rules=kept).check(CATALOG)) >= len(gone)
    doubled = replace(POLICY, rules=(*POLICY.rules, again)).check(CATALOG)
    assert doubled == [f"{again.dimension} {again.direction} * has 2 rules; only the first one would count"]


def test_a_row_that_names_the_product_wins() -> None:
    """A company can be stricter for one product and leave the others as they are."""
    policy = with_row("seats", "up", "sales")
    assert policy.check(CATALOG) == []
    assert policy.decide(Dimension.SEATS, Direction.UP, "sales").decision is Decision.REFUSED
    assert policy.decide(Dimension.SEATS, Direction.UP, "bundle").decision is NOW


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("seats", "up", "*"), "seats up * has 2 rules"),
        (("seats", "up", "crm"), "seats up crm is dead"),
        (("seats", "remove", "*"), "seats remove * is dead: seats never moves remove"),
        (("product", "to_bundle", "bundle"), "product to_bundle bundle is dead"),
        (("product", "from_bundle", "sales"), "product from_bundle sales is dead"),
        (("product", "from_bundle", "bundle"), "product from_bundle * is dead"),
    ],
)
def test_double_and_dead_rows_are_reported(row: tuple[str, str, str], fault: str) -> None:
    """A row that can never be chosen misleads whoever reads the file."""
    assert [sentence for sentence in with_row(*row).check(CATALOG) if fault in sentence]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('direction = "to_bundle"\nproduct = "*"', 'direction = "to_bundle"\nproduct = "sales"',
         "product to_bundle marketing has no rule"),
        ('payment_behavior = "pending_if_incomplete"', 'payment_behavior = "allow_incomplete"',
         "or it is not paid"),
        ('payment_behavior = "allow_incomplete"', 'payment_behavior = "pending_if_incomplete"',
         "Stripe creates a subscription"),
        ('on_approval = ["now", "renewal"]\n', "", "on_approval belongs to by_request"),
        ('decision = "self_serve_at_renewal"\nproration_behavior = "none"',
         'decision = "self_serve_at_renewal"\nproration_behavior = "always_invoice"', "bills nothing now"),
        ('decision = "self_serve_now"\nproration_behavior = "none"',
         'decision = "by_request"\non_approval = ["now"]\nproration_behavior = "none"', "a purchase is"),
        ('on_approval = ["now", "renewal"]', 'on_approval = ["now", "now"]', "names a moment twice"),
        ('direction = "at_period_end"\nproduct = "*"\ndecision = "by_request"\nproration_behavior = "none"\n'
         'on_approval = ["renewal"]',
         'direction = "at_period_end"\nproduct = "*"\ndecision = "self_serve_now"\n'
         'proration_behavior = "none"',
         "cancellation at_period_end *: takes effect at renewal only"),
        ('proration_behavior = "none"\non_approval = ["now"]\nreason = "Taking',
         'proration_behavior = "none"\non_approval = ["now", "renewal"]\nreason = "Taking',
         "cancellation undo *: takes effect now only"),
        ('[[entitlements]]\nstatus = "active"', '[[entitlements]]\nstatus = "paused"', "active has no rules"),
        ('change_billing = ["primary_admin"]', "change_billing = []", "who.change_billing names no role"),
        ('decide_requests = ["support"]', 'decide_requests = ["boss"]', "unknown role 'boss'"),
    ],
)  # fmt: skip
def test_a_broken_policy_is_reported(old: str, new: str, fault: str) -> None:
    """Gaps and contradictions are found before a customer finds them."""
    assert [sentence for sentence in broken(old, new).check(CATALOG) if fault in sentence]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('decision = "self_serve_now"', 'decision = "sometimes"', "rules[0].decision must be one of"),
        ('dimension = "seats"', 'dimension = "chairs"', ".dimension must be one of"),
        ('"always_invoice"', '"create_prorations"', ".proration_behavior must be one of"),
        ('on_approval = ["now"', 'on_approval = ["later"', ".on_approval may only name"),
        ('reason = "', 'because = "', ".because is unknown"),
        ("[[rules]]", "[[rule]]", "rule is unknown"),
        ('status = "past_due"', 'status = "late"', "entitlements[2].status must be one of"),
        ('level = "full"', 'level = "some"', "entitlements[0].level must be one of"),
        ('level = "full"', 'grace_days = 3\nlevel = "full"', "entitlements[0].grace_days is unknown"),
    ],
)
def test_a_file_of_a_wrong_shape_is_refused_with_the_place(old: str, new: str, place: str) -> None:
    """A misspelt word in the file is never ignored, and the message says where it is."""
    with pytest.raises(BadInput) as refused:
        broken(old, new)
    assert refused.value.code == "policy_invalid"
    assert place in refused.value.detail


def test_a_missing_rule_is_an_error_and_never_a_permission() -> None:
    """With a table that was not checked, what no row allows does not happen."""
    policy = broken('direction = "to_bundle"\nproduct = "*"', 'direction = "to_bundle"\nproduct = "sales"')
    with pytest.raises(BadInput, match="no rule for product to_bundle of marketing"):
        policy.decide(Dimension.PRODUCT, Direction.TO_BUNDLE, "marketing")
