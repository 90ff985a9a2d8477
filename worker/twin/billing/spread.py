"""What discounts take from amounts: percentages of what is left, fixed amounts spread over what they cover.

An item's own discounts come first, then the invoice's, each in its order and from what the one before left
(SDK: "Line item discounts are applied before invoice discounts"; docs "Coupons and promotion codes").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from worker.twin.billing import money
from worker.twin.billing.lines import Line, Off
from worker.twin.store import Doc
from worker.twin.world import World

Exact = tuple[str, Fraction, bool]  # discount id, amount, whether it hangs on the item


@dataclass
class Share:
    """One amount that discounts take from; `product` is None for an amount without a price."""

    amount: Fraction
    product: str | None
    own: list[Doc]
    offs: list[Exact] = field(default_factory=list)

    @property
    def rest(self) -> Fraction:
        """What the discounts so far have left."""
        return self.amount - sum(off for _, off, _ in self.offs)


def coupon_of(world: World, discount: Doc) -> Doc:
    """The coupon behind a discount."""
    return world.store["coupon"].docs[discount["source"]["coupon"]]


def amount_in(world: World, coupon: Doc, currency: str) -> int:
    """The fixed amount of a coupon in `currency`; 0 where it has none."""
    if coupon["currency"] == currency:
        return int(coupon["amount_off"])
    return world.facts.coupons[coupon["id"]].currencies.get(currency, 0)


def take_off(
    world: World,
    shares: list[Share],
    group: list[Doc],
    currency: str,
    *,
    even: bool = False,
    exact: bool = False,
) -> None:
    """Fill in `offs`: every share's own discounts, then the `group`'s, spread over all shares.

    `even` spreads fixed amounts evenly, not by size (classic prorations); `exact` leaves them unrounded.
    """
    for share in shares:
        for discount in share.own:
            _take(world, [share], discount, currency, True, even, exact)
    for discount in group:
        _take(world, shares, discount, currency, False, even, exact)


def _take(
    world: World, shares: list[Share], discount: Doc, currency: str, own: bool, even: bool, exact: bool
) -> None:
    coupon = coupon_of(world, discount)
    products = world.facts.coupons[coupon["id"]].products
    covered = [s for s in shares if products is None or s.product in products]
    if coupon["percent_off"] is not None:
        percent = Fraction(str(coupon["percent_off"])) / 100
        parts = [percent * s.rest for s in covered]
        parts = parts if exact else [Fraction(money.round_minor(p)) for p in parts]
    else:
        parts = _fixed([max(s.rest, Fraction(0)) for s in covered], amount_in(world, coupon, currency), even)
        parts = parts if exact else _rounded(parts)
    for share, part in zip(covered, parts, strict=True):
        share.offs.append((discount["id"], part, own))


def _fixed(rests: list[Fraction], amount: int, even: bool) -> list[Fraction]:
    """Never more than there is; what an even part cannot take is not moved to the others."""
    total = sum(rests, Fraction(0))
    if even:
        return [min(Fraction(amount, len(rests)), rest) for rest in rests]
    wanted = min(Fraction(amount), total)
    return [wanted * rest / total if total else Fraction(0) for rest in rests]


def _rounded(parts: list[Fraction]) -> list[Fraction]:
    """Whole minor units that add up to the whole: each is the growth of the rounded running sum."""
    running, given, whole = Fraction(0), 0, []
    for part in parts:
        running += part
        whole.append(Fraction(money.round_minor(running) - given))
        given += int(whole[-1])
    return whole


def discount_lines(world: World, lines: list[Line], applied: list[Doc], currency: str) -> None:
    """Write what the discounts take from whole-period lines; prorations were settled by the plan."""
    opened = [line for line in lines if line.discountable]
    shares = [
        Share(Fraction(line.amount), line.price["product"] if line.price else None, line.own)
        for line in opened
    ]
    take_off(world, shares, applied, currency)
    for line, share in zip(opened, shares, strict=True):
        line.offs = [Off(discount, int(off), own) for discount, off, own in share.offs]


def prorate(line: Line, gross: Fraction, offs: list[Exact], itemized: bool) -> None:
    """Give a proration its amount: net of discounts and rounded once, or gross with every discount shown.

    Source: changelog "Adds the ability to itemize proration discount amounts". Shown discounts are rounded
    one by one, and never take more than the rounded amount has.
    """
    line.proration, line.discountable, line.itemized = True, False, itemized
    net = gross - sum(off for _, off, _ in offs)
    line.amount = money.round_minor(gross if itemized else net)
    line.offs, rest = [], money.round_minor(gross)
    for discount, exact, own in offs:
        rounded = money.round_minor(exact)
        off = min(rounded, rest) if gross >= 0 else max(rounded, rest)
        line.offs.append(Off(discount, off, own))
        rest -= off
