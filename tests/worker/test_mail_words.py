"""What e-mails say: every kind in both languages, and nothing in a user's text can do more than be read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sync.notice_kinds import NoticeKind
from sync.rules.catalog import packaged
from sync.store import notices
from sync.store.db import Pool
from sync.store.notices import NoticeRow
from tests.worker.mail import INSERT_ACCOUNT, SAMPLES
from worker.senders.addresses import BadAddress, address_of, bare_address
from worker.senders.message import build
from worker.senders.render import LOCALES, NotRendered, Rendered, Renderer
from worker.senders.words import Words, line, paragraphs

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
NASTY = 'Acme\r\nBcc: all@evil.example\r\n\r\n<script>alert("x")</script>\u2028\u202eevil\x00'


def notice(kind: str, locale: str = "en", **data: Any) -> NoticeRow:
    """A notice as it is stored, with some of its data told otherwise."""
    stored = {**SAMPLES.get(NoticeKind(kind), {}), **data} if kind in list(NoticeKind) else data
    return NoticeRow(
        key="req_1:declined:ada@acme.example", account_id="acme", kind=kind, recipient="ada@acme.example",
        locale=locale, data=stored, attempts=1, first_attempt_at=NOW, next_attempt_at=NOW, last_error=None,
        sent_at=None, given_up_at=None, created_at=NOW,
    )  # fmt: skip


def said(kind: str, locale: str = "en", **data: Any) -> Rendered:
    return Renderer(packaged(), "help@prorata.example").render(notice(kind, locale, **data))


def test_every_kind_has_a_sample() -> None:
    """Whoever adds a kind adds what it is stored with, and so the tests below."""
    assert set(NoticeKind) == set(SAMPLES)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_speaks_both_languages(kind: NoticeKind, locale: str) -> None:
    """Subject, text and HTML exist, name the account, and leave no trace of the template language."""
    found = said(kind, locale)

    assert all("Acme" in each for each in (found.subject, found.text, found.html))
    assert not any(trace in found.text + found.html for trace in ("{{", "{%", "None", "Undefined"))
    assert f'<html lang="{locale}">' in found.html
    assert "help@prorata.example" in found.text or kind is NoticeKind.REQUEST_FOR_SUPPORT


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_languages_differ(kind: NoticeKind) -> None:
    """French is not English left standing."""
    assert said(kind, "en").subject != said(kind, "fr").subject
    english, french = (set(said(kind, locale).text.split("\n")) for locale in LOCALES)
    assert {each for each in english & french if not each.startswith(">")} == {"", "-- "}


def test_amounts_and_dates_are_those_of_the_language() -> None:
    """Stripe's minor units, the language's marks, and days with the names of months."""
    english, french = said("request_needs_confirm", "en").text, said("request_needs_confirm", "fr").text

    assert "Due today: 1,234.56 EUR" in english
    assert "From now on: 987.00 EUR per year" in english
    assert "1 December 2026" in english
    assert "À payer aujourd’hui\u00a0: 1\u202f234,56\u00a0EUR" in french
    assert "987,00\u00a0EUR par an" in french
    assert "1er décembre 2026" in french.replace("\n", " ")


@pytest.mark.parametrize(
    ("currency", "expected"), [("jpy", "123,456 JPY"), ("isk", "1,234.56 ISK"), ("bhd", "123.456 BHD")]
)
def test_decimals_are_stripes(currency: str, expected: str) -> None:
    """An amount without decimals is not shown a hundred times too small."""
    assert expected in said("request_needs_confirm", currency=currency).text


def test_wishes_and_losses_have_names() -> None:
    """What was asked for and what would be lost is said in the catalog's words."""
    text = said("request_submitted", "fr").text

    assert "- Formule\u00a0: Pro → Plus" in text
    assert "- Limite de contacts\u00a0: 5\u202f000" in text
    assert "- Pack SMS (1\u202f000 messages)\u00a0: supprimé" in text or "Pack SMS (1 000" in text


@pytest.mark.parametrize(
    ("cancel", "expected"),
    [(True, "Subscription: ends with its period"), (False, "Subscription: does not end")],
)
def test_cancelling_is_said(cancel: bool, expected: str) -> None:
    """A request without terms is about the subscription's end."""
    losses = [{"dimension": "cancellation", "before": "marketing", "after": None, "name": None}]
    found = said("request_submitted", wish=None, cancel=cancel, losses=losses if cancel else [])

    assert expected in found.text
    assert ("Subscription: Marketing → ends with its period" in found.text) is cancel


def test_what_the_catalog_lacks_keeps_its_key() -> None:
    """A tier that is not sold any more does not stop the mail."""
    assert "Tier: gold" in said("request_submitted", wish={"tier": "gold"}).text


def test_users_cannot_write_headers() -> None:
    """A name with line breaks stays one line of the subject; no header comes of it."""
    row = notice("request_declined", account_name=NASTY)
    rendered = Renderer(packaged(), None).render(row)
    sender = address_of("Prorata <billing@prorata.example>")
    message = build(row, rendered, sender=sender, reply_to=None, now=NOW)
    head = message.as_bytes().split(b"\r\n\r\n")[0].decode().lower()

    assert "\nbcc:" not in head
    assert message["Bcc"] is None
    assert [name.lower() for name in message.keys()].count("subject") == 1  # noqa: SIM118  headers repeat
    assert "\n" not in rendered.subject


@pytest.mark.parametrize("field", ["account_name", "reason", "note", "request_id"])
def test_users_cannot_write_html(field: str) -> None:
    """Whatever somebody typed is shown, and is not markup."""
    for kind in ("request_submitted", "request_declined", "request_for_support"):
        html = said(kind, **{field: NASTY}).html
        assert "<script>" not in html
        assert "\u202e" not in html


def test_users_cannot_speak_in_our_name() -> None:
    """Each line of a reason is marked as a quotation in the plain text."""
    text = said("request_submitted", reason="Thanks.\r\n\r\nSupport has approved it.\rPay here").text

    assert "\n> Thanks.\n> \n> Support has approved it.\n> Pay here\n" in text


def test_templates_are_no_users_text() -> None:
    """A text that looks like a template stays a text."""
    assert "{{ 7 * 7 }}" in said("request_declined", note="{{ 7 * 7 }}").text


def test_long_names_are_cut() -> None:
    """A subject stays a subject."""
    assert len(said("request_declined", account_name="x" * 5000).subject) <= 200


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\r\nb", "a b"), ("a\u2028b\x0bc\x85d", "a b c d"), ("\x00\x1b[31m", "[31m"), ("é 🙂", "é 🙂")],
)
def test_line_is_one_line(text: str, expected: str) -> None:
    """Every kind of line break and control character is gone, and nothing else."""
    assert line(text) == expected


def test_paragraphs_keep_their_breaks() -> None:
    """A reason may have paragraphs."""
    assert paragraphs("a\r\n\r\nb\u202e") == "a\n\nb"


def test_missing_data_is_an_error() -> None:
    """An empty place where an amount belongs is worse than a mail that waits."""
    row = notice("usage_80")
    del row.data["limit"]
    with pytest.raises(NotRendered, match="usage_80"):
        Renderer(packaged(), None).render(row)


def test_unknown_kind_is_an_error() -> None:
    """A notice that a later release stored waits for a worker that knows it."""
    with pytest.raises(NotRendered, match="from_the_future"):
        Renderer(packaged(), None).render(notice("from_the_future"))


async def test_kind_without_template_is_not_stored(pool: Pool) -> None:
    """It would wait unseen for ever, so the flow that stores it fails at once."""
    await pool.execute(INSERT_ACCOUNT)
    with pytest.raises(ValueError, match="no_such_kind"):
        await notices.add(
            pool, "k", account_id="acme", kind="no_such_kind", recipient="a@b.c", locale="en", data={}
        )


@pytest.mark.parametrize("locale", LOCALES)
def test_every_label_exists_in_both_languages(locale: str) -> None:
    """No word is missing in one of them."""
    words = Words(locale, packaged())
    for name in ("contacts_counted", "seats_counted", "per_month", "per_year", "now", "renewal", "included"):
        assert words.label(name)


@pytest.mark.parametrize(
    "text",
    ["", "ada", "@acme.example", "ada@", "a b@c.d", "a@b.c, d@e.f", "a@b.c\r\nBcc: d@e.f", "<a@b.c>",
     "A <a@b.c>", "a,b@c.d", "a>b@c.d", "a@b@c.d"],
)  # fmt: skip
def test_recipient_is_one_bare_address(text: str) -> None:
    """Nothing that could be read as two addresses, as a name, or as a header."""
    with pytest.raises(BadAddress):
        bare_address(text)


@pytest.mark.parametrize("text", ["ada@acme.example", "o'neil+x@sub.acme.example", "josé@acme.example"])
def test_ordinary_addresses_are_taken(text: str) -> None:
    """As they are."""
    assert bare_address(text).addr_spec == text
