"""The policy: who may change billing, which change is self-serve, by request, or refused, and what a
subscription's state leaves of what was bought.

It is data (`policy.toml`), so that a company can be stricter or looser without touching code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Self

from sync.errors import BadInput, Code
from sync.rules import policy_check
from sync.rules.catalog import Catalog
from sync.rules.differences import DIRECTIONS, Difference, Dimension, Direction, differences
from sync.rules.entitlements import EntitlementRule, Level, Status
from sync.rules.policy_rule import (
    ANY_PRODUCT,
    Decision,
    Effective,
    PaymentBehavior,
    ProrationBehavior,
    Rule,
)
from sync.rules.toml_table import Table

__all__ = [
    "ANY_PRODUCT",
    "DIRECTIONS",
    "Action",
    "Decision",
    "Difference",
    "Dimension",
    "Direction",
    "Effective",
    "PaymentBehavior",
    "Policy",
    "ProrationBehavior",
    "Rule",
    "differences",
    "packaged",
]


class Action(StrEnum):
    """What a person or system may do; the policy lists the roles for each."""

    CHANGE_BILLING = "change_billing"  # quote, confirm and withdraw changes of one's account
    ACT_FOR_ADMIN = "act_for_admin"  # the same, in the name of a named primary admin
    DECIDE_REQUESTS = "decide_requests"  # approve and decline change requests


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """The whole table, in the order of the file."""

    rules: tuple[Rule, ...]
    who: Mapping[Action, tuple[str, ...]]
    entitlements: tuple[EntitlementRule, ...]

    @classmethod
    def load(cls, toml_text: str) -> Self:
        """Read a policy file. Raises `BadInput` (`policy_invalid`) naming every part of a wrong type.

        Whether the table is complete and without contradiction is the business of `check`.
        """
        root = Table.parse(toml_text, Code.POLICY_INVALID)
        root.only("who", "rules", "entitlements")
        who = root.table("who")
        who.only(*Action)
        policy = cls(
            rules=tuple(_rule(table) for table in root.tables("rules")),
            who=MappingProxyType({action: who.texts(action) for action in Action}),
            entitlements=tuple(_entitlement(table) for table in root.tables("entitlements")),
        )
        root.finish(Code.POLICY_INVALID)
        return policy

    def check(self, catalog: Catalog) -> list[str]:
        """Return one sentence per fault (double, missing, dead or contradictory rule); empty means sound."""
        return policy_check.faults(self, catalog)

    def decide(self, dimension: Dimension, direction: Direction, product: str) -> Rule:
        """Return the rule for a change of an account that has `product`; a named product wins over `*`.

        For a purchase `product` is the one wanted. Raises `BadInput` (`policy_invalid`) when no row fits,
        which cannot happen with a table that passed `check`.
        """
        for name in (product, ANY_PRODUCT):
            for rule in self.rules:
                if (rule.dimension, rule.direction, rule.product) == (dimension, direction, name):
                    return rule
        detail = (
            f"The policy has no rule for {dimension} {direction} of {product}; run `prorata policy check`."
        )
        raise BadInput(Code.POLICY_INVALID, detail)

    def may(self, role: str, action: Action) -> bool:
        """Say whether a role (`primary_admin`, `support`, ...) may do something."""
        return role in self.who[action]


@cache
def packaged() -> Policy:
    """Return the policy that comes with Prorata, for when no other file is configured."""
    return Policy.load(resources.files("sync.rules").joinpath("policy.toml").read_text("utf-8"))


def _rule(table: Table) -> Rule:
    table.only(
        "dimension", "direction", "product", "decision", "proration_behavior", "payment_behavior",
        "on_approval", "reason",
    )  # fmt: skip
    return Rule(
        dimension=table.choice("dimension", Dimension),
        direction=table.choice("direction", Direction),
        product=table.text("product"),
        decision=table.choice("decision", Decision),
        proration_behavior=table.choice("proration_behavior", ProrationBehavior),
        payment_behavior=(
            table.choice("payment_behavior", PaymentBehavior) if "payment_behavior" in table else None
        ),
        on_approval=tuple(_effective(table)),
        reason=table.text("reason"),
    )


def _entitlement(table: Table) -> EntitlementRule:
    table.only("status", "level", "reason")
    return EntitlementRule(table.choice("status", Status), table.choice("level", Level), table.text("reason"))


def _effective(table: Table) -> Iterator[Effective]:
    for text in table.texts("on_approval"):
        if text in list(Effective):
            yield Effective(text)
        else:
            table.wrong("on_approval", f"may only name {', '.join(Effective)}")
