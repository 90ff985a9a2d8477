"""Reading operators' TOML files strictly: every wrong part is reported with its place, none is guessed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from sync.errors import BadInput, Code

Choice = TypeVar("Choice", bound=StrEnum)


class Table:
    """One table of a TOML file, which knows its place in the file and collects what is wrong below it."""

    def __init__(self, values: dict[str, object], place: str, problems: list[str]) -> None:
        self._values = values
        self._place = place
        self.problems = problems

    @classmethod
    def parse(cls, toml_text: str, code: Code) -> Table:
        """Read a whole file. Raises `BadInput` with `code` when the text is not TOML."""
        try:
            return cls(tomllib.loads(toml_text), "", [])
        except tomllib.TOMLDecodeError as error:
            raise BadInput(code, f"The file is not valid TOML: {error}.") from error

    def finish(self, code: Code) -> None:
        """Raise `BadInput` with `code` and every problem, if there was any."""
        if self.problems:
            raise BadInput(code, "The file cannot be read: " + "; ".join(self.problems) + ".")

    def place(self, key: str) -> str:
        """Return where `key` is, such as `products.sales.name`."""
        return f"{self._place}.{key}" if self._place else key

    def only(self, *known: str) -> None:
        """Report every key that is not known: a misspelt key must not be silently without effect."""
        for key in self._values:
            if key not in known:
                self.wrong(key, f"is unknown; known are {', '.join(known)}")

    def wrong(self, key: str, what: str) -> None:
        """Note a problem at `key`."""
        self.problems.append(f"{self.place(key)} {what}")

    def __iter__(self) -> Iterator[str]:
        """Return the keys in the order of the file."""
        return iter(self._values)

    def table(self, key: str) -> Table:
        """Return the table at `key`; an absent one is empty, anything else is reported."""
        value = self._values.get(key, {})
        if isinstance(value, dict):
            return Table(value, self.place(key), self.problems)
        self.wrong(key, "must be a table")
        return Table({}, self.place(key), self.problems)

    def tables(self, key: str) -> list[Table]:
        """Return the tables of an array of tables (`[[key]]`)."""
        value = self._values.get(key, [])
        if isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            return [Table(entry, f"{self.place(key)}[{n}]", self.problems) for n, entry in enumerate(value)]
        self.wrong(key, "must be a list of tables")
        return []

    def text(self, key: str) -> str:
        """Return the text at `key`, which must be there."""
        value = self._values.get(key)
        if isinstance(value, str) and value:
            return value
        self.wrong(key, "must be a text")
        return ""

    def whole(self, key: str) -> int:
        """Return the whole number at `key`, which must be there."""
        value = self._values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self.wrong(key, "must be a whole number")
        return 0

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of texts at `key`; absent means empty."""
        value = self._values.get(key, [])
        if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
            return tuple(value)
        self.wrong(key, "must be a list of texts")
        return ()

    def wholes(self, key: str) -> tuple[int, ...]:
        """Return the list of whole numbers at `key`; absent means empty."""
        value = self._values.get(key, [])
        if isinstance(value, list) and all(type(entry) is int for entry in value):
            return tuple(value)
        self.wrong(key, "must be a list of whole numbers")
        return ()

    def names(self, key: str) -> Mapping[str, str]:
        """Return the names for people at `key`: English and French, both needed."""
        table = self.table(key)
        table.only("en", "fr")
        return MappingProxyType({language: table.text(language) for language in ("en", "fr")})

    def choice(self, key: str, kind: type[Choice]) -> Choice:
        """Return the member of an enumeration that `key` names; it must be there."""
        for member in kind:
            if member == self._values.get(key):
                return member
        self.wrong(key, f"must be one of {', '.join(kind)}")
        return next(iter(kind))
