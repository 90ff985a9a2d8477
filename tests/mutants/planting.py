"""Changing a line of the product in this process, and changing it back."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


@contextmanager
def edited(owner: Any, name: str, *changes: tuple[str, str], seen_by: tuple[Any, ...] = ()) -> Iterator[None]:
    """Replace parts of a function's, a method's or a statement's text.

    `seen_by` are the modules that imported it by its name. Raises AssertionError when a part is not there any
    more: then the mutant has to be planted anew.
    """
    known = inspect.getattr_static(owner, name)
    text = known if isinstance(known, str) else textwrap.dedent(inspect.getsource(known))
    for before, after in changes:
        assert text.count(before) >= 1, f"{name} has no {before!r} any more"
        text = text.replace(before, after)
    fresh = text if isinstance(known, str) else _compiled(known, text)
    with mock.patch.object(owner, name, fresh):
        yield from _also(seen_by, name, fresh)


def _compiled(known: Any, text: str) -> Any:
    module = inspect.getmodule(known)
    assert module is not None
    scope = dict(vars(module))
    # The annotations of a copy are nobody's business.
    exec(compile("from __future__ import annotations\n" + text, f"<{known.__name__}>", "exec"), scope)  # noqa: S102
    fresh = scope[known.__name__]
    # It lives where the original lives, so that it sees what a test replaces there.
    return type(fresh)(fresh.__code__, vars(module), fresh.__name__, fresh.__defaults__, fresh.__closure__)


def _also(modules: tuple[Any, ...], name: str, fresh: Any) -> Iterator[None]:
    if not modules:
        yield
        return
    with mock.patch.object(modules[0], name, fresh):
        yield from _also(modules[1:], name, fresh)
