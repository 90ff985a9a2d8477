"""Which paths of an answer can be expanded, known before anything is done (docs "Expanding responses").

An operation answers with an object of the SDK's classes, whose annotations name every field. They are read as
source text, as `contract` reads the parameters: class by class, and only as far as a path leads. A path must
lead to something that is, or holds, an object; one of Stripe's that the twin does not model stays as it is.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from worker.twin import contract
from worker.twin.errors import ApiError

SPECIAL = {
    "credit_note_preview_lines_list": "credit_note_line_item",
    "customer_payment_method_list": "payment_method",
    "customer_payment_method_retrieve": "payment_method",
}
OPEN = {"Any", "Dict", "UntypedStripeObject", "dict", "object"}  # anything may be inside
DEPTH = 4


@dataclass(frozen=True)
class _Class:
    """A class of the SDK: its module, and its name after those of the classes around it."""

    module: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class _Type:
    """What a field may hold: objects of classes, lists of them with a page around, or anything."""

    classes: tuple[_Class, ...] = ()
    pages: tuple[_Class, ...] = ()
    open: bool = False

    @property
    def holds_objects(self) -> bool:
        return bool(self.classes or self.pages or self.open)


def check(operation: str, paths: list[str], more: Container[tuple[str, str]] = ()) -> None:
    """Refuse paths that are too deep or lead nowhere; `more`: (object, field) that an older version has."""
    for path in paths:
        parts = tuple(path.split("."))
        if len([p for p in parts if p != "data"]) > DEPTH:
            text = f"You cannot expand more than {DEPTH} levels of a property. Property: {path}"
            raise ApiError(400, text, param="expand", executed=False)
        if not _leads_on(_answer(operation), parts, more):
            raise ApiError(400, f"This property cannot be expanded ({path}).", param="expand", executed=False)


def _leads_on(found: _Type, parts: tuple[str, ...], more: Container[tuple[str, str]]) -> bool:
    if not parts or found.open:
        return found.holds_objects
    if found.pages and parts[0] == "data" and _leads_on(_Type(found.pages), parts[1:], more):
        return True
    for holder in found.classes:
        kind, fields = _read(holder)
        if (kind, parts[0]) in more:
            return True
        if parts[0] in fields and _leads_on(fields[parts[0]], parts[1:], more):
            return True
    return False


@functools.cache
def _answer(operation: str) -> _Type:
    folder, _, name = operation.rpartition(".")
    prefix = f"stripe.{folder}." if folder else "stripe."
    words = SPECIAL.get(operation, name).split("_")
    for count in range(len(words), 0, -1):
        module = f"{prefix}_{'_'.join(words[:count])}"
        if _path(module).exists():
            answer = _Class(module, ("".join(w.capitalize() for w in words[:count]),))
            return _Type(pages=(answer,)) if operation.endswith("_list") else _Type((answer,))
    raise LookupError(f"the SDK has no class for the answer to {operation}")


def _path(module: str) -> Path:
    return contract.sdk_folder().parent / (module.replace(".", "/") + ".py")


@functools.cache
def _module(module: str) -> tuple[dict[str, ast.ClassDef], dict[str, str]]:
    """The classes of a module, and where its imported names come from."""
    tree = ast.parse(_path(module).read_text())
    blocks = [tree.body, *(n.body for n in tree.body if isinstance(n, ast.If))]
    imports = {
        alias.name: node.module or ""
        for block in blocks
        for node in block
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return {n.name: n for n in tree.body if isinstance(n, ast.ClassDef)}, imports


def _node(found: _Class) -> ast.ClassDef:
    node = _module(found.module)[0][found.names[0]]
    for name in found.names[1:]:
        node = _inner(node)[name]
    return node


def _inner(node: ast.ClassDef) -> dict[str, ast.ClassDef]:
    return {n.name: n for n in node.body if isinstance(n, ast.ClassDef)}


@functools.cache
def _read(found: _Class) -> tuple[str, dict[str, _Type]]:
    """The `object` of a class, and what each of its fields may hold."""
    kind, fields = "", {}
    for field in _node(found).body:
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if field.target.id == "OBJECT_NAME":
            kind = str(ast.literal_eval(field.value)) if field.value is not None else ""
        else:
            fields[field.target.id] = _type(field.annotation, found)
    return kind, fields


def _type(node: ast.expr, where: _Class) -> _Type:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _type(ast.parse(node.value, mode="eval").body, where)
    if isinstance(node, ast.Name):
        named = _named(node.id, where)
        return _Type((named,) if named else (), open=node.id in OPEN)
    if isinstance(node, ast.BinOp):
        return _joined([_type(node.left, where), _type(node.right, where)])
    if not isinstance(node, ast.Subscript):
        return _Type()
    generic = getattr(node.value, "id", "")
    if generic == "Literal":
        return _Type()
    if generic in OPEN:
        return _Type(open=True)
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    joined = _joined([_type(part, where) for part in inner])
    return _Type(pages=joined.classes) if generic == "ListObject" else joined


def _joined(types: list[_Type]) -> _Type:
    return _Type(
        tuple(c for t in types for c in t.classes),
        tuple(c for t in types for c in t.pages),
        any(t.open for t in types),
    )


def _named(name: str, where: _Class) -> _Class | None:
    """The class that `name` means inside `where`: one in it or around it, of its module, or imported."""
    for depth in range(len(where.names), 0, -1):
        around = _Class(where.module, where.names[:depth])
        if name in _inner(_node(around)):
            return _Class(where.module, (*around.names, name))
    classes, imports = _module(where.module)
    if name in classes:
        return _Class(where.module, (name,))
    module = imports.get(name, "")
    return _Class(module, (name,)) if module.startswith("stripe.") and name[0].isupper() else None
