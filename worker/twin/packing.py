"""Small JSON documents, compressed against others of their kind.

One object looks much like the next, so the last ones seen make a dictionary: an invoice of 8 KB needs 500
bytes. A blob names its dictionary by itself (the DICTID of RFC 1950), and old dictionaries are kept.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

LEVEL = 1
# As long as the object it was learnt from, within these: a longer one costs time and saves little.
DICTIONARY_BYTES = (1024, 16 * 1024)
# A dictionary is made anew after so many objects of its kind: the first ones are rarely the typical ones.
LEARNS_AT = frozenset({1, 8, 64, 512, 4096})


@dataclass
class _Kind:
    dictionary: bytes = b""
    seen: int = 0


class Packer:
    """Compresses and decompresses; made once for everything that is kept."""

    def __init__(self) -> None:
        self._kinds: dict[str, _Kind] = {}
        self._dictionaries: dict[bytes, bytes] = {}

    def pack(self, kind: str, raw: bytes) -> bytes:
        """A blob that only this packer can read."""
        known = self._kinds.get(kind)
        if known is None:
            known = self._kinds[kind] = _Kind()
        known.seen += 1
        if known.seen in LEARNS_AT:
            self._learn(known, raw)
        machine = zlib.compressobj(LEVEL, zdict=known.dictionary)
        return machine.compress(raw) + machine.flush()

    def _learn(self, kind: _Kind, raw: bytes) -> None:
        least, most = DICTIONARY_BYTES
        made = (kind.dictionary + raw)[-min(most, max(least, len(raw))) :]
        name = zlib.adler32(made).to_bytes(4, "big")
        if self._dictionaries.setdefault(name, made) == made:
            kind.dictionary = made

    def unpack(self, blob: bytes) -> bytes:
        """What was packed."""
        return zlib.decompressobj(zdict=self._dictionaries[blob[2:6]]).decompress(blob)
