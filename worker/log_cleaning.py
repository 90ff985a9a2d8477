"""What a log line may hold: takes out secrets, cuts long text, and makes every value fit strict JSON."""

from __future__ import annotations

import hashlib
import json
import math
import re
import traceback
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Final

HIDDEN: Final = "[hidden]"
# Text of users and of other systems, in characters.
LONGEST_TEXT: Final = 200
MOST_ITEMS: Final = 50
DEEPEST: Final = 4
MOST_FRAMES: Final = 12

SECRET_NAME: Final = re.compile(
    r"(^|_)(password|passwd|secret|secrets|token|authorization|api_key|cookie|signature|dsn|database_url|smtp_url)$"
    r"|^(set-cookie|stripe-signature|client_secret)$",
    re.IGNORECASE,
)
EMAIL_NAME: Final = re.compile(r"(^|_)e?mail$", re.IGNORECASE)
# Stripe's keys and signing secrets, our API keys, client secrets of payments, passwords inside addresses.
SECRET_TEXT: Final = (
    (re.compile(r"\b((?:sk|rk)_(?:test|live)_)[A-Za-z0-9_]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(whsec_|prk_)[A-Za-z0-9_+/=-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b([a-z]+_[A-Za-z0-9]+_secret_)[A-Za-z0-9]+"), rf"\1{HIDDEN}"),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(\bBearer\s+)\S+", re.IGNORECASE), rf"\1{HIDDEN}"),
)
VISIBLE: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n", 9: "\\t"}


def clean(name: str, value: Any, depth: int = 0) -> Any:
    """Return a value that may be printed: hidden, hashed, cut, or made fit for strict JSON.

    `name` is the field's name. E-mail addresses become a short hash, so that lines about one person can be
    found together without telling who it is.
    """
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if SECRET_NAME.search(name):
        return HIDDEN
    if EMAIL_NAME.search(name) and isinstance(value, str):
        return f"sha256:{hashlib.sha256(value.strip().lower().encode()).hexdigest()[:12]}"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        return _clean_container(name, value, depth)
    return clean_text(_as_text(value))


def clean_text(text: str) -> str:
    """Take secrets out of a text, then cut it: the other way round, half a key could stay.

    Control characters become visible escapes: a terminal would obey them, and a reader would see two lines.
    """
    text = text.encode("utf-8", "replace").decode("utf-8").translate(VISIBLE)
    for pattern, replacement in SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def error_fields(error: BaseException) -> dict[str, Any]:
    """Return an exception as fields: its class, its text, and `file:line function` of its last frames."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return {
        "error_class": type(error).__name__,
        "error": str(error),
        "trace": [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames],
    }


def to_json(event: Mapping[str, Any]) -> str:
    """Return one line of strict JSON, `ts`, `level` and `event` first; the values must be cleaned."""
    first = {name: event[name] for name in ("ts", "level", "event") if name in event}
    rest = {name: value for name, value in event.items() if name not in first}
    return json.dumps(first | rest, allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def _clean_container(name: str, value: Any, depth: int) -> Any:
    if depth >= DEEPEST:
        return HIDDEN
    if isinstance(value, Mapping):
        some = list(value.items())[:MOST_ITEMS]
        return {str(key): clean(str(key), item, depth + 1) for key, item in some}
    return [clean(name, item, depth + 1) for item in list(value)[:MOST_ITEMS]]


def _as_text(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, date):
        return value.isoformat()
    # The text of a stranger's class may hold anything; SecretStr and our own classes hide theirs.
    return str(value)
