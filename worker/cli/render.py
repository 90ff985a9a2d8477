"""Quotes, changes and accounts as text for people; amounts come with their currency, always."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sync.rules.money import format_minor

LABEL = 22
AMOUNT = 16


def money_text(amount: dict[str, Any] | None) -> str:
    """`{"amount_minor": 1234, "currency": "usd"}` as `12.34 USD`."""
    if amount is None:
        return "-"
    return format_minor(amount["amount_minor"], amount["currency"])


def terms_text(terms: dict[str, Any] | None) -> str:
    """Terms on one line."""
    if terms is None:
        return "nothing"
    add_ons = "".join(f" + {quantity} {name}" for name, quantity in terms["add_ons"].items())
    seats = "1 seat" if terms["seats"] == 1 else f"{terms['seats']} seats"
    return (
        f"{terms['product']} {terms['tier']}, {terms['contact_limit']:,} contacts, "
        f"{seats}{add_ons}, per {terms['interval']}"
    )


def quote_text(quote: dict[str, Any]) -> str:
    """A quote with every line, what is charged today, and what comes from now on."""
    lines = [
        field_line("quote", quote["id"]),
        field_line("account", quote["account_id"]),
        field_line("buys", terms_text(quote["current"])),
    ]
    if quote["now"]:
        lines.append(field_line("would buy", terms_text(quote["now"])))
    if quote["at_renewal"]:
        lines.append(field_line("after renewal", terms_text(quote["at_renewal"])))
    if quote["refusals"]:
        lines += [field_line("REFUSED", f"{each['code']}: {each['detail']}") for each in quote["refusals"]]
    else:
        lines += _priced(quote)
    lines += [field_line("WARNING", each["detail"]) for each in quote["warnings"]]
    return "\n".join(lines)


def _priced(quote: dict[str, Any]) -> list[str]:
    """The amounts of a quote that can be confirmed."""
    lines = [line for line in quote["due_today_lines"] if _says_something(line)]
    rows = [(line["description"], format_minor(line["amount_minor"], line["currency"])) for line in lines]
    total = [("charged today", money_text(quote["due_today"]))]
    if quote["to_balance"] and quote["to_balance"]["amount_minor"]:
        total.append(("to the customer's balance", money_text(quote["to_balance"])))
    width = max(len(text) for text, _ in [*rows, *total])
    said = ["", *_columns(rows, width), f"  {'':<{width}} {'-' * AMOUNT}", *_columns(total, width), ""]
    if quote["from_now_on"]:
        each = quote["from_now_on"]
        said.append(field_line("total from now on", f"{money_text(each['amount'])} per {each['interval']}"))
    if quote["next_invoice"]:
        said.append(field_line("next invoice", _invoice_text(quote["next_invoice"])))
    return [*said, field_line("valid until", quote["expires_at"])]


def change_text(change: dict[str, Any]) -> str:
    """A change: where it stands, what was quoted and charged, and its story."""
    now, renewal = change["now"], change["at_renewal"]
    lines = [
        field_line("change", change["id"]),
        field_line("account", change["account_id"]),
        field_line("state", change["state"]),
    ]
    if now:
        lines += [
            field_line("terms", terms_text(now["terms"])),
            field_line("quoted", money_text(now["quoted"])),
            field_line("charged", money_text(now["charged"])),
        ]
        for label, name in _NOW_FIELDS:
            if now[name]:
                lines.append(field_line(label, str(now[name])))
    if renewal:
        lines += _renewal(renewal)
    lines += ["", *(_step(step) for step in change["steps"])]
    return "\n".join(lines)


def _renewal(leg: dict[str, Any]) -> list[str]:
    """What is promised for the renewal, and what the renewal billed."""
    on = f" on {leg['effective_on'][:10]}" if leg["effective_on"] else ""
    lines = [field_line("at renewal", f"{terms_text(leg['terms'])} ({leg['state']}{on})")]
    if leg["charged"]:
        lines.append(field_line("renewal billed", money_text(leg["charged"])))
    return lines + [field_line(label, str(leg[name])) for label, name in _RENEWAL_FIELDS if leg[name]]


_RENEWAL_FIELDS = (
    ("reason", "reason"),
    ("why", "detail"),
    ("DIFFERENCE (minor)", "difference_minor"),
    ("renewal's invoice", "stripe_invoice_id"),
)
_NOW_FIELDS = (
    ("reason", "reason"),
    ("why", "detail"),
    ("DIFFERENCE (minor)", "difference_minor"),
    ("invoice", "stripe_invoice_id"),
    ("pay here", "hosted_invoice_url"),
    ("until", "payable_until"),
)


def account_text(account: dict[str, Any]) -> str:
    """An account: what it buys, what is used, what comes next."""
    admin, usage = account["primary_admin"], account["usage"]
    subscription = account["stripe_subscription_id"]
    status = f" ({account['subscription_status']})" if account["subscription_status"] else ""
    lines = [
        field_line("account", f"{account['account_id']} ({account['name']})"),
        field_line("primary admin", f"{admin['user_id']} <{admin['email']}>"),
        field_line("buys", terms_text(account["terms"])),
    ]
    if account["terms_after_renewal"] != account["terms"]:
        lines.append(field_line("after renewal", terms_text(account["terms_after_renewal"])))
    granted = account["entitlement"]
    if account["terms"] and granted["level"] != "full":
        lines.append(field_line(_GRANTED[granted["level"]], granted["reason"]))
    lines += [
        field_line("in use", _usage_text(usage)),
        field_line("customer", account["stripe_customer_id"] or "-"),
        field_line("subscription", f"{subscription}{status}" if subscription else "-"),
        field_line("payment method", _PRESENT[account["payment_method"]["present"]]),
        field_line("next invoice", _invoice_text(account["next_invoice"])),
    ]
    lines += [
        field_line("open change", f"{leg['change_id']} ({leg['state']})") for leg in account["open_legs"]
    ]
    if account["parked"]:
        lines.append(field_line("PARKED", account["parked"]["reason"]))
    return "\n".join(lines)


_GRANTED = {"read_only": "READ ONLY", "none": "NOT ENTITLED"}
_PRESENT = {True: "yes", False: "none", None: "not known yet"}


def history_text(history: list[dict[str, Any]]) -> str:
    """What was in force from when to when, newest first."""
    lines = [
        f"{row['effective_at']} - {row['ended_at'] or 'now':<20}  {terms_text(row['terms'])}"
        f"  ({row['change_id']}, {row['leg']})"
        for row in history
    ]
    return "\n".join(lines) or "nothing was in force so far"


def fields_text(values: Mapping[str, Any]) -> str:
    """Named values, one a line; what is not there is a dash."""
    return "\n".join(
        field_line(name.replace("_", " "), "-" if value is None else str(value))
        for name, value in values.items()
    )


def field_line(label: str, text: str) -> str:
    """One label with its text, in two columns."""
    return f"{label:<{LABEL}}{text}"


def _usage_text(usage: dict[str, int | None]) -> str:
    known = [f"{count:,} {name}" for name, count in usage.items() if count is not None]
    return ", ".join(known) or "not reported yet"


def _invoice_text(invoice: dict[str, Any] | None) -> str:
    return f"{money_text(invoice['amount'])} on {invoice['on'][:10]}" if invoice else "-"


def _step(step: dict[str, Any]) -> str:
    facts = ", ".join(f"{name} {value}" for name, value in step["detail"].items() if value is not None)
    return f"{step['at']}  {step['step']} -> {step['state']}{f' ({facts})' if facts else ''}"


def _says_something(line: dict[str, Any]) -> bool:
    """Stripe writes a line for every item; none of nothing only hides the others."""
    return bool(line["amount_minor"] or line["quantity"])


def _columns(rows: list[tuple[str, str]], width: int) -> list[str]:
    return [f"  {text:<{width}} {amount:>{AMOUNT}}" for text, amount in rows]
