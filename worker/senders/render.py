"""A stored notice becomes subject, text and HTML. A template holds a subject and a body in one language.

The body is written once: its parts (`m.p`, `m.facts`, `m.quote`) are macros that exist for text and for
HTML. Both are strict: a datum that a template names and the notice lacks is an error, not an empty place.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, TemplateError

from sync.notice_kinds import NoticeKind
from sync.rules.catalog import Catalog
from sync.store.notices import NoticeRow
from worker.senders.words import Words, line, paragraphs

LOCALES: Final = ("en", "fr")
# What users may write in several lines; everything else of theirs stays on one.
LONG_TEXTS: Final = frozenset({"reason", "note"})
TEXT_WIDTH: Final = 76
# The same words for several kinds.
SHARED: Final = {NoticeKind.USAGE_80: "usage", NoticeKind.USAGE_90: "usage", NoticeKind.USAGE_100: "usage"}


class NotRendered(Exception):
    """A notice has no template here, or lacks what its template says; a later release may know it."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an e-mail says."""

    subject: str
    text: str
    html: str


class Renderer:
    """Renders notices with the names of what this installation sells."""

    def __init__(self, catalog: Catalog, support_email: str | None) -> None:
        self._words = {locale: Words(locale, catalog) for locale in LOCALES}
        self._support_email = support_email
        self._text = _environment("text")
        self._html = _environment("html")

    def render(self, row: NoticeRow) -> Rendered:
        """Raises NotRendered."""
        words = self._words.get(row.locale, self._words["en"])
        values = {
            **{name: clean(name, value) for name, value in row.data.items()},
            "words": words,
            "kind": row.kind,
            "locale": words.locale,
            "support_email": self._support_email,
        }
        try:
            name = template_name(row.kind, words.locale)
            subject = line(_block(self._text.get_template(name), "subject", values))
            values["subject"] = subject
            text = _page(self._text, "text", name, values)
            return Rendered(subject, text, _page(self._html, "html", name, values))
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            raise NotRendered(f"{row.kind}: {type(error).__name__}: {error}") from error


def template_name(kind: str, locale: str) -> str:
    """Where the words of a kind are. Raises ValueError for a kind that this release does not know."""
    known = NoticeKind(kind)
    return f"{locale}/{SHARED.get(known, known)}.jinja"


def clean(name: str, value: Any) -> Any:
    """A datum as templates may have it: no text in it carries a control character."""
    if isinstance(value, str):
        return paragraphs(value) if name in LONG_TEXTS else line(value)
    if isinstance(value, dict):
        return {line(key): clean(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [clean(name, each) for each in value]
    return value


def flow(text: str) -> str:
    """A paragraph of plain text, broken where lines get long."""
    words = re.sub(r"[ \t\r\n]+", " ", text).strip()
    return textwrap.fill(words, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)


def _page(environment: Environment, form: str, name: str, values: dict[str, Any]) -> str:
    body = _block(environment.get_template(name), "body", values)
    page = environment.get_template(f"layout.{form}.jinja").render(values | {"body": body})
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


def _block(template: Template, name: str, values: dict[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(values)))


def _environment(form: str) -> Environment:
    """One for text and one for HTML: each has parts and a layout of its own, and only HTML is escaped."""
    environment = Environment(
        loader=PackageLoader("worker.senders"),
        autoescape=form == "html",  # noqa: S701  plain text has nothing to escape
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["flow"] = flow
    environment.globals["m"] = environment.get_template(f"parts.{form}.jinja").module
    return environment
