"""Text to types: a decoded form takes the shape of its schema, or the first reason why it cannot is noted.

Error codes and wording as Stripe's: `parameter_unknown`, `parameter_missing`, `parameter_invalid_integer`,
and for an enum the allowed values in the message (Stripe docs "Error codes").
"""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]
Found = list[tuple[str, str, str]]
INTEGER = re.compile(r"-?[0-9]{1,18}")
NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")


def typed(value: Any, schema: Schema, path: str, found: Found) -> Any:
    """`value` (text, or a dict of it) as the schema wants it; problems are appended to `found`."""
    if "anyOf" in schema:
        return _any_of(value, schema["anyOf"], path, found)
    if "enum" in schema:
        return _enum(value, schema["enum"], path, found)
    kind = schema.get("type")
    if kind == "object":
        return _object(value, schema, path, found)
    if kind == "array":
        return _array(value, schema, path, found)
    return _scalar(value, kind, schema, path, found)


def _any_of(value: Any, options: list[Schema], path: str, found: Found) -> Any:
    fitting = [o for o in options if (o.get("type") in ("object", "array")) == isinstance(value, dict)]
    if isinstance(value, dict) and value and all(k.isdigit() for k in value):
        fitting.sort(key=lambda o: o.get("type") != "array")
    for option in fitting:
        tried: Found = []
        result = typed(value, option, path, tried)
        if not tried:
            return result
    return typed(value, (fitting or options)[-1], path, found)


def _enum(value: Any, allowed: list[Any], path: str, found: Found) -> Any:
    for choice in allowed:
        text = str(choice).lower() if isinstance(choice, bool) else choice
        if value == text:
            return choice
    names = [str(a) for a in allowed if a != ""]
    listed = ", ".join(names[:-1]) + f", or {names[-1]}" if len(names) > 1 else "".join(names)
    found.append((path, "", f"Invalid {path}: must be one of {listed}"))
    return value


def _object(value: Any, schema: Schema, path: str, found: Found) -> Any:
    if not isinstance(value, dict):
        found.append((path, "", "Invalid object"))
        return value
    properties = schema.get("properties")
    if properties is None:
        inner = schema.get("additionalProperties", {})
        return {k: typed(v, inner, _join(path, k), found) for k, v in value.items()}
    result = {}
    for key, item in value.items():
        name = _join(path, key)
        if key in properties:
            result[key] = typed(item, properties[key], name, found)
        else:
            found.append((name, "parameter_unknown", f"Received unknown parameter: {name}"))
    for key in schema.get("required", ()):
        if key not in value:
            name = _join(path, key)
            found.append((name, "parameter_missing", f"Missing required param: {name}."))
    return result


def _array(value: Any, schema: Schema, path: str, found: Found) -> Any:
    if not isinstance(value, dict) or not all(k.isdigit() for k in value):
        found.append((path, "", "Invalid array"))
        return value
    ordered = sorted(value.items(), key=lambda pair: int(pair[0]))
    return [typed(v, schema["items"], _join(path, k), found) for k, v in ordered]


def _scalar(value: Any, kind: str | None, schema: Schema, path: str, found: Found) -> Any:
    if kind is None:
        return value
    if isinstance(value, dict):
        found.append((path, "", f"Invalid {kind}: {path}"))
        return value
    if kind == "integer" and INTEGER.fullmatch(value):
        return int(value)
    if kind == "number" and NUMBER.fullmatch(value):
        return float(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    if kind == "string" and re.match(schema.get("pattern", ""), value):
        return value
    found.append((path, *_wrong(kind, value)))
    return value


def _wrong(kind: str, value: str) -> tuple[str, str]:
    if kind == "integer":
        return "parameter_invalid_integer", f"Invalid integer: {value}"
    if value == "":
        return (
            "parameter_invalid_empty",
            "You passed an empty string. We assume empty values are an attempt to unset.",
        )
    return ("", f"Invalid {'decimal' if kind == 'string' else kind}: {value}")


def _join(path: str, key: str) -> str:
    return f"{path}[{key}]" if path else key
