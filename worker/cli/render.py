"""Quotes, changes and accounts as text for people; amounts come with their currency, always."""

from __future__ import annotations

from typing import Any

from sync.rules.money import format_minor

LABEL = 22


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
    return (
        f"{terms['product']} {terms['tier']}, {terms['contact_limit']:,} contacts, "
        f"{terms['seats']} seats{add_ons}, per {terms['interval']}"
    )


def quote_text(quote: dict[str, Any]) -> str:
    """A quote with every line, what is charged today, and what comes from now on."""
    lines = [_field("quote", quote["id"]), _field("now", terms_text(quote["current"]))]
    lines.append(_field("wanted", terms_text(quote["now"] or quote["at_renewal"])))
    if quote["refusals"]:
        lines += [_field("refused", refusal["detail"]) for refusal in quote["refusals"]]
        return "\n".join(lines)
    lines.append("")
    lines += [_line(line) for line in quote["due_today_lines"]]
    interval = quote["from_now_on"]["interval"]
    next_invoice = quote["next_invoice"]
    lines += [
        "",
        _field("charged today", money_text(quote["due_today"])),
        _field("total from now on", f"{money_text(quote['from_now_on']['amount'])} per {interval}"),
        _field("next invoice", f"{money_text(next_invoice['amount'])} on {next_invoice['on'][:10]}"),
        _field("valid until", quote["expires_at"]),
    ]
    return "\n".join(lines)


def change_text(change: dict[str, Any]) -> str:
    """A change: where it stands, what was quoted and charged, and its story."""
    now = change["now"]
    lines = [_field("change", change["id"]), _field("account", change["account_id"]), _field("state", change["state"])]
    if now:
        lines += [
            _field("terms", terms_text(now["terms"])),
            _field("quoted", money_text(now["quoted"])),
            _field("charged", money_text(now["charged"])),
        ]
        for label, name in (("why", "detail"), ("invoice", "stripe_invoice_id"), ("pay here", "hosted_invoice_url")):
            if now[name]:
                lines.append(_field(label, now[name]))
    lines += [_field(step["at"], f"{step['step']} -> {step['state']}") for step in change["steps"]]
    return "\n".join(lines)


def account_text(account: dict[str, Any]) -> str:
    """An account: what it buys, what is used, what comes next."""
    next_invoice = account["next_invoice"]
    return "\n".join(
        [
            _field("account", f"{account['account_id']} ({account['name']})"),
            _field("primary admin", f"{account['primary_admin']['user_id']} <{account['primary_admin']['email']}>"),
            _field("buys", terms_text(account["terms"])),
            _field("after renewal", terms_text(account["terms_after_renewal"])),
            _field("subscription", f"{account['stripe_subscription_id'] or '-'} {account['subscription_status'] or ''}"),
            _field("next invoice", f"{money_text(next_invoice['amount'])} on {next_invoice['on'][:10]}" if next_invoice else "-"),
            _field("parked", account["parked"]["reason"] if account["parked"] else "no"),
        ]
    )


def _line(line: dict[str, Any]) -> str:
    amount = format_minor(line["amount_minor"], line["currency"])
    return f"  {line['description'][:64]:<64} {amount:>16}"


def _field(label: str, text: str) -> str:
    return f"{label:<{LABEL}}{text}"
