"""The objects of one kind by id: those used last as dicts, the others packed until somebody asks for them.

Whoever takes an object off the shelf may change it. Putting it back encodes the whole object anew, so that no
change is lost, and it leaves an object alone that anything else still refers to: the code that works with it,
or the subscription whose inline item it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeVar, overload

import msgspec

from worker.twin.packing import Packer

Doc = dict[str, Any]
T = TypeVar("T")
UNPACKED = 2000  # objects of any kind that stay dicts; about 25 MB
BUSY = 64  # so many objects that are referred to are met before packing waits for the next time


@dataclass(frozen=True)
class Form:
    """How a kind is written down.

    `bare` leaves out what other objects hold, and `link` puts it in again, in place; `family` names,
    by one object, those that look like it.
    """

    bare: Callable[[Doc], Doc] = lambda doc: doc
    link: Callable[[Doc], None] = lambda doc: None
    decode: Callable[[bytes], Doc] = msgspec.json.decode
    family: Callable[[Doc], str] = lambda doc: str(doc.get("object"))


@dataclass
class Room:
    """What all shelves share: who packs, and which objects are unpacked, the oldest first."""

    packer: Packer = field(default_factory=Packer)
    unpacked: dict[str, Shelf] = field(default_factory=dict)
    limit: int = UNPACKED

    def tidy(self) -> None:
        """Pack what is above the limit. What is still referred to gets another turn."""
        over, busy = len(self.unpacked) - self.limit, 0
        if over <= 0:
            return
        for object_id in list(islice(self.unpacked, over)):
            if self.unpacked[object_id].put_back(object_id):
                del self.unpacked[object_id]
                continue
            self.unpacked[object_id] = self.unpacked.pop(object_id)
            busy += 1
            if busy == BUSY:
                return


def _references(rows: dict[str, Doc | bytes], object_id: str) -> int:
    return sys.getrefcount(rows[object_id])


_ALONE = _references({"id": {}}, "id")


class Shelf(Mapping[str, Doc]):
    """Objects of one kind. Without a `form` they are never packed."""

    def __init__(self, room: Room, form: Form | None) -> None:
        self._room, self._form = room, form or Form()
        self._packs = form is not None
        self._rows: dict[str, Doc | bytes] = {}

    def __getitem__(self, object_id: str) -> Doc:
        row = self._rows[object_id]
        return row if isinstance(row, dict) else self._unpack(object_id, row)

    @overload
    def get(self, object_id: str, default: None = None, /) -> Doc | None: ...
    @overload
    def get(self, object_id: str, default: Doc | T, /) -> Doc | T: ...
    def get(self, object_id: str, default: Any = None, /) -> Any:
        """The object, or `default`."""
        return self[object_id] if object_id in self._rows else default

    def __contains__(self, object_id: object) -> bool:
        return object_id in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def holds(self, doc: Doc) -> bool:
        """Whether this very dict stands here, and not another with its id."""
        return self._rows.get(doc["id"]) is doc

    def add(self, doc: Doc) -> None:
        """Put up a new object, newest last."""
        self._rows[doc["id"]] = doc
        if self._packs:
            self._room.unpacked[doc["id"]] = self

    def remove(self, object_id: str) -> None:
        """Forget an object."""
        del self._rows[object_id]
        self._room.unpacked.pop(object_id, None)

    def _unpack(self, object_id: str, blob: bytes) -> Doc:
        doc = self._rows[object_id] = self._form.decode(self._room.packer.unpack(blob))
        self._room.unpacked[object_id] = self  # before what it links to, which can be packed only after it
        self._form.link(doc)
        return doc

    def put_back(self, object_id: str) -> bool:
        """Pack an object; False if anything still refers to it."""
        if _references(self._rows, object_id) > _ALONE:
            return False
        doc = self[object_id]
        self._rows[object_id] = self._room.packer.pack(self._form.family(doc), self._written(doc))
        return True

    def _written(self, doc: Doc) -> bytes:
        return msgspec.json.encode(self._form.bare(doc))

    def read(self, ids: Iterable[str]) -> Iterator[Doc]:
        """Many objects one after the other, without all of them being unpacked at the end."""
        for object_id in ids:
            yield self[object_id]
            self._room.tidy()

    def dump(self) -> Iterator[bytes]:
        """Every object in order of creation as JSON, without what other objects hold."""
        for row in self._rows.values():
            yield self._written(row) if isinstance(row, dict) else self._room.packer.unpack(row)

    def restore(self, raw: bytes) -> Doc:
        """Put up an object that `dump` has written; the answer shows it, and is not for changes."""
        doc = self._form.decode(raw)
        self._rows[doc["id"]] = self._room.packer.pack(self._form.family(doc), raw) if self._packs else doc
        return doc
