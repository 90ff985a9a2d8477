"""Answers against the SDK's classes: names, types, nulls and enums, at any depth, read from their source.

    problems(answer)    what is wrong with one JSON object, as lines `subscription.items.data[]: lacks id`

The classes say less than a schema does: `Optional` means "null or absent". So a field that is not Optional
must be there and must not be null, an Optional one must be there at the top of an object unless HIDDEN names
it, and what a class does not name must not be there at all.
"""

from __future__ import annotations

import ast
import functools
from dataclasses import dataclass
from typing import Any

from stripe._object_classes import get_object_class

from worker.twin import contract

# Top-level fields that an answer shows only when expanded, or only while something special happens.
HIDDEN: dict[str, set[str]] = {
    "Account": {  # shown of connected accounts only
        "company", "controller", "external_accounts", "future_requirements", "groups", "individual",
        "requirements", "tos_acceptance",
    },
    "Balance": {
        "connect_reserved", "instant_available", "issuing", "refund_and_dispute_prefunding",
    },
    "InvoiceItem": {"proration_details"},
    "SubscriptionItem": {"billed_until"},
    "Subscription": {"managed_payments", "presentment_details"},
    "Invoice": {"amount_paid_off_stripe", "confirmation_secret", "payments", "threshold_reason"},
    "Customer": {
        "business_name", "cash_balance", "individual_name", "invoice_credit_balance", "sources",
        "subscriptions", "tax", "tax_ids",
    },
    "Price": {"currency_options", "tiers"},
    "Plan": {"tiers"},
    "PaymentIntent": {
        "agent_details", "async_workflows", "hooks", "managed_payments", "payment_record",
        "presentment_details",
    },
    "Charge": {"authorization_code", "level3", "presentment_details", "refunds", "transfer"},
    "Refund": {
        "customer_account", "failure_balance_transaction", "failure_reason", "instructions_email",
        "next_action", "pending_reason", "presentment_details",
    },
    "Dispute": {"intended_submission_method", "network_reason_code", "payment_method_details"},
    "Event": {"account", "context"},
    "WebhookEndpoint": {"secret"},
    "Coupon": {"applies_to", "currency_options"},
    "PaymentMethod": {"*"},  # sixty kinds of payment method have a field each, of which one is shown
}  # fmt: skip
# What the check would report though it is right, with the reason.
EXCEPTIONS: dict[str, str] = {
    "v2.core.event: has related_object, which the SDK does not know": "the classes of single types have it",
    "v2.core.event.reason.request.idempotency_key: is NoneType, not str": "a DELETE has no key",
}
SCALARS: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (int, float), "Decimal": str}


@dataclass(frozen=True)
class Scope:
    """Where a name is looked up: a module of the SDK and the classes around the annotation."""

    module: str
    classes: tuple[ast.ClassDef, ...] = ()


@functools.cache
def _tree(module: str) -> tuple[dict[str, ast.ClassDef], dict[str, str]]:
    """The classes of a module, and where its imported names come from."""
    path = contract.sdk_folder().parent / (module.replace(".", "/") + ".py")
    tree = ast.parse(path.read_text())
    classes = {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}
    imports = {
        alias.name: node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return classes, imports


def _find(name: str, scope: Scope) -> tuple[ast.ClassDef, Scope] | None:
    for depth in range(len(scope.classes), 0, -1):
        for node in scope.classes[depth - 1].body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node, Scope(scope.module, (*scope.classes[:depth], node))
    classes, imports = _tree(scope.module)
    if name in classes:
        return classes[name], Scope(scope.module, (classes[name],))
    if name in imports and imports[name].startswith("stripe"):
        return _find(name, Scope(imports[name]))
    return None


@functools.cache
def _fields(node: ast.ClassDef) -> dict[str, ast.expr]:
    named = [n for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    fields = {n.target.id: n.annotation for n in named if isinstance(n.target, ast.Name)}
    aliases = next((n.value for n in node.body if _is_mapping(n)), None)  # `from` is a word of Python's
    for pair in ast.literal_eval(aliases).items() if aliases is not None else ():
        fields[pair[1]] = fields.pop(pair[0], ast.Name("Any"))
    return {k: v for k, v in fields.items() if k not in ("OBJECT_NAME", "deleted")}


def _is_mapping(node: ast.stmt) -> Any:
    return isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_field_remappings"


def problems(answer: dict[str, Any]) -> set[str]:
    """What is wrong with one object of the API, or a list of them."""
    if "object" not in answer:  # a page of the second API
        return set().union(*(problems(row) for row in answer["data"]))
    kind = answer["object"]
    if kind == "list":
        return _list(answer, lambda row: problems(row), kind)
    if answer.get("deleted"):
        return set() if set(answer) == {"id", "object", "deleted"} else {f"{kind}: more than an id, deleted"}
    api = "V2" if kind.startswith("v2.") else "V1"
    found = get_object_class(api, kind)
    scope = Scope(found.__module__)
    node, inner = _find(found.__qualname__, scope) or (None, scope)
    assert node is not None, f"the SDK has no class for {kind}"
    return _object(answer, node, inner, kind)


def _list(answer: dict[str, Any], check: Any, path: str) -> set[str]:
    missing = {"object", "data", "has_more", "url"} - set(answer)
    wrong = {f"{path}: lacks {name}" for name in missing}
    return wrong.union(*(check(row) for row in answer.get("data", [])))


def _object(value: Any, node: ast.ClassDef, scope: Scope, path: str) -> set[str]:
    if not isinstance(value, dict):
        return {f"{path}: is no object but {value!r}"}
    fields = _fields(node)
    wrong = {f"{path}: has {name}, which the SDK does not know" for name in set(value) - set(fields)}
    top = "object" in fields and len(scope.classes) == 1
    for name, annotation in fields.items():
        optional = _is_optional(annotation)
        if name in value:
            wrong |= _value(value[name], annotation, scope, f"{path}.{name}")
        elif (top and not HIDDEN.get(node.name, set()) & {name, "*"}) or not optional:
            wrong.add(f"{path}: lacks {name}")
    return wrong - EXCEPTIONS.keys()


def _is_optional(node: ast.expr) -> bool:
    return isinstance(node, ast.Subscript) and getattr(node.value, "id", "") in ("Optional", "NotRequired")


def _value(value: Any, node: ast.expr, scope: Scope, path: str) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _value(value, ast.parse(node.value, mode="eval").body, scope, path)
    if isinstance(node, ast.Subscript):
        return _generic(value, getattr(node.value, "id", ""), node.slice, scope, path)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if name in ("Any", "StripeObject", "object"):
        return set()
    if name in SCALARS:
        fits = isinstance(value, SCALARS[name]) and (name == "bool" or not isinstance(value, bool))
        return set() if fits else {f"{path}: is {type(value).__name__}, not {name}"}
    found = _find(name, scope)
    return _object(value, *found, path) if found else {f"{path}: an annotation nobody knows, {name}"}


def _generic(value: Any, name: str, inner: ast.expr, scope: Scope, path: str) -> set[str]:
    arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    first = arguments[0]
    if name in ("Optional", "NotRequired"):
        return set() if value is None else _value(value, first, scope, path)
    if name == "Literal":
        allowed = [ast.literal_eval(a) for a in arguments]
        return set() if value in allowed else {f"{path}: {value!r} is none of the enum"}
    if name == "Union":
        open_enum = any(
            isinstance(a, ast.Subscript) and getattr(a.value, "id", "") == "Literal" for a in arguments
        )
        closed = [a for a in arguments if not (open_enum and getattr(a, "id", "") == "str")]
        return min((_value(value, a, scope, path) for a in closed), key=len)
    if name in ("List", "Dict", "UntypedStripeObject"):
        if not isinstance(value, list if name == "List" else dict):
            return {f"{path}: is no {name} but {value!r}"}
        rows = value if name == "List" else value.values()
        return set().union(*(_value(row, arguments[-1], scope, f"{path}[]") for row in rows))
    if name == "ListObject":
        return _list(value, lambda row: _value(row, first, scope, f"{path}.data[]"), path)
    if name == "ExpandableField":
        return set() if isinstance(value, str) else _value(value, first, scope, path)
    return {f"{path}: an annotation nobody knows, {name}"}
