"""The request contract: JSON schemas derived at run time from the SDK's parameter types.

`stripe.params` holds one TypedDict per request. They are read as source text, not imported: importing all of
stripe costs 0.4 s, reading the one file of a request 1-5 ms. Rules of the derivation:
- `NotRequired` is optional, everything else required; an object allows no other properties;
- `Literal` is an enum; the SDK's enums are open (`Literal[...] | str`), so a `str` beside a non-empty
  Literal is dropped, while `""` (unset) is kept;
- request options are a base class and are left out.
It knows shapes only; semantic rules live with the resources.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.twin import forms, typing_of_forms
from worker.twin.errors import ApiError
from worker.twin.operations import OPERATIONS, find

Schema = dict[str, Any]
SCALARS: dict[str, Schema] = {
    "int": {"type": "integer"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "float": {"type": "number"},
    "Decimal": {"type": "string", "pattern": r"^-?\d+(\.\d+)?$"},
    "Any": {},
    "object": {},
}


@dataclass(frozen=True)
class Problem:
    """One way in which a request breaks the contract; `param` as in the form: `items[0][price]`."""

    param: str
    code: str
    message: str


@functools.cache
def sdk_folder() -> Path:
    """Where the installed SDK lives (found, not imported)."""
    spec = importlib.util.find_spec("stripe")
    if spec is None or spec.origin is None:
        raise RuntimeError("the stripe package is not installed")
    return Path(spec.origin).parent


@functools.cache
def api_version() -> str:
    """The API version that the installed SDK pins, for example `2026-10-28.endive`."""
    for node in ast.walk(ast.parse((sdk_folder() / "_api_version.py").read_text())):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CURRENT":
            return str(ast.literal_eval(node.value))
    raise RuntimeError("the stripe package names no API version")


@functools.cache
def schema_of(operation: str) -> Schema:
    """The JSON schema of one request, by operation name (`subscription_update`)."""
    module, class_name = _source_of(operation)
    path = sdk_folder() / "params" / module
    classes = {n.name: n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)}
    if class_name not in classes:
        raise LookupError(f"the SDK has no {class_name}; has it been renamed?")
    schema = _object(classes[class_name], classes)
    if operation.startswith("v2.") and operation.endswith("_list"):
        schema["properties"].setdefault("page", SCALARS["str"])  # the token inside `next_page_url`
    return schema


def _source_of(operation: str) -> tuple[str, str]:
    folder, _, name = operation.rpartition(".")
    prefix = folder.replace(".", "/") + "/" if folder else ""
    return f"{prefix}_{name}_params.py", "".join(w.capitalize() for w in name.split("_")) + "Params"


def _object(node: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Schema:
    properties: Schema = {}
    required: list[str] = []
    for field in _fields(node):
        name, annotation = field
        inner = _argument(annotation, "NotRequired")
        if inner is None:
            required.append(name)
        properties[name] = _schema(inner or annotation, classes)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _fields(node: ast.ClassDef) -> list[tuple[str, ast.expr]]:
    return [
        (n.target.id, n.annotation)
        for n in node.body
        if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
    ]


def _argument(node: ast.expr, name: str) -> ast.expr | None:
    if isinstance(node, ast.Subscript) and getattr(node.value, "id", "") == name:
        return node.slice
    return None


def _schema(node: ast.expr, classes: dict[str, ast.ClassDef]) -> Schema:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _schema(ast.parse(node.value, mode="eval").body, classes)
    if isinstance(node, ast.Constant) and node.value is None:
        return {"type": "null"}
    if isinstance(node, ast.BinOp):
        return _union([_schema(node.left, classes), _schema(node.right, classes)])
    if isinstance(node, ast.Name):
        return SCALARS[node.id] if node.id in SCALARS else _object(classes[node.id], classes)
    if isinstance(node, ast.Subscript):
        return _generic(getattr(node.value, "id", ""), node.slice, classes)
    raise LookupError(f"an annotation the contract cannot read: {ast.unparse(node)}")


def _generic(name: str, inner: ast.expr, classes: dict[str, ast.ClassDef]) -> Schema:
    arguments = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    if name == "Literal":
        return {"enum": [ast.literal_eval(a) for a in arguments]}
    if name in ("List", "list"):
        return {"type": "array", "items": _schema(arguments[0], classes)}
    if name in ("Dict", "dict", "UntypedStripeObject"):
        return {"type": "object", "additionalProperties": _schema(arguments[-1], classes)}
    if name == "Union":
        return _union([_schema(a, classes) for a in arguments])
    if name == "Optional":
        return _union([_schema(arguments[0], classes), {"type": "null"}])
    raise LookupError(f"an annotation the contract cannot read: {name}")


def _union(members: list[Schema]) -> Schema:
    flat = [m for member in members for m in member.get("anyOf", [member])]
    values = [v for m in flat for v in m.get("enum", [])]
    others = [m for m in flat if "enum" not in m]
    if any(v != "" for v in values):
        others = [m for m in others if m != SCALARS["str"]]
    unique = [m for i, m in enumerate(others) if m not in others[:i]]
    if values:
        unique.insert(0, {"enum": values})
    return unique[0] if len(unique) == 1 else {"anyOf": unique}


def decode(operation: str, pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], list[Problem]]:
    """Typed parameters of a form, and what is wrong with it."""
    found: list[tuple[str, str, str]] = []
    typed = typing_of_forms.typed(forms.decode(pairs), schema_of(operation), "", found)
    return typed, [Problem(*p) for p in found]


def check_form(method: str, path: str, pairs: Iterable[tuple[str, str]]) -> list[Problem]:
    """What is wrong with a form sent to `path` (a real path, such as `/v1/subscriptions/sub_1`)."""
    operation = _operation(method, path)
    params, problems = decode(operation, pairs)
    return problems or validate(operation, params)


def validate(operation: str | tuple[str, str], params: dict[str, Any]) -> list[Problem]:
    """What is wrong with typed parameters, by operation name or by (method, path); empty when all is well."""
    name = operation if isinstance(operation, str) else _operation(*operation)
    errors = _validator(name).iter_errors(params)
    return [Problem(_form_name(e.instance_path), "invalid", e.message) for e in errors]


def _operation(method: str, path: str) -> str:
    match = find(method, path)
    if match is None:
        raise ApiError(404, f"Unrecognized request URL ({method}: {path}).", executed=False)
    return match[0]


@functools.cache
def _validator(operation: str) -> Any:
    import jsonschema_rs

    return jsonschema_rs.validator_for(schema_of(operation))


def _form_name(parts: Iterable[Any]) -> str:
    head, *rest = [str(p) for p in parts] or [""]
    return head + "".join(f"[{p}]" for p in rest)


def warm_up() -> None:
    """Derive every schema: a test calls it, so that an SDK upgrade that renames a type is noticed."""
    for operation in OPERATIONS:
        schema_of(operation)
