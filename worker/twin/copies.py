"""Tables that a rehearsal borrows: it reads the real objects, and changes copies of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worker.twin.shelf import Room, Shelf
from worker.twin.store import Doc, Table


class Copies(Shelf):
    """Objects of another shelf, each copied when it is first asked for; the other shelf stays as it is."""

    def __init__(self, source: Shelf, copied: Callable[[Doc], Doc]) -> None:
        super().__init__(Room(), None)
        self._source, self._copied = source, copied
        self._removed: set[str] = set()

    def __getitem__(self, object_id: str) -> Doc:
        if object_id not in self._rows:
            if object_id in self._removed:
                raise KeyError(object_id)
            self._rows[object_id] = self._copied(self._source[object_id])
        return super().__getitem__(object_id)

    def get(self, object_id: str, default: Any = None, /) -> Any:
        """The copy, or `default`."""
        try:
            return self[object_id]
        except KeyError:
            return default

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._rows or (object_id in self._source and object_id not in self._removed)

    def remove(self, object_id: str) -> None:
        """Forget the copy; the real object is not found here any more."""
        self._rows.pop(object_id, None)
        self._removed.add(object_id)


class Borrowed(Table):
    """A table of copies: what is added stays here, and the indexes of the real one are read, too."""

    def __init__(self, source: Table, copied: Callable[[Doc], Doc]) -> None:
        super().__init__(source.kind, Copies(source.docs, copied))
        self._source = source

    def ids_by(self, name: str, value: Any) -> list[str]:
        """Ids of the objects with one value in an index, oldest first."""
        real = [i for i in self._source.ids_by(name, value) if i in self.docs]
        return [*real, *super().ids_by(name, value)]
