"""A published OpenAPI file of Stripe's (`spec3.json`) as validators of answers.

OpenAPI 3.0 differs from JSON schema in one thing that matters here: `nullable`. Enums are kept open where the
file is older or newer than the SDK: an enum says what one version knows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.twin.api import JSON

# Required by a published version, and shown only by expansion in the one that the SDK pins.
RELAXED = {"invoice": {"amount_paid_off_stripe"}}
DRAFT = "http://json-schema.org/draft-07/schema#"


class Spec:
    """The schemas of one file."""

    def __init__(self, path: Path) -> None:
        raw = json.loads(path.read_text())
        self.version: str = raw["info"]["version"]
        schemas = raw["components"]["schemas"]
        for name, fields in RELAXED.items():
            schemas[name]["required"] = [f for f in schemas[name]["required"] if f not in fields]
        self._names = {
            kind: name
            for name, schema in schemas.items()
            if (kind := _kind_of(schema)) and "deleted" not in name
        }
        self._schemas = {name: _converted(schema) for name, schema in schemas.items()}
        self._validators: dict[str, Any] = {}

    def knows(self, kind: str) -> bool:
        """Whether objects of this kind are in the file."""
        return kind in self._names

    def problems(self, answer: JSON) -> set[str]:
        """What is wrong with an object, or with each member of a list; unknown kinds are left out."""
        if answer.get("object") == "list":
            return set().union(*(self.problems(row) for row in answer["data"]))
        kind = str(answer.get("object"))
        if answer.get("deleted") or not self.knows(kind):
            return set()
        found = set()
        for error in self._validator(kind).iter_errors(answer):
            if kind.startswith("v2.") and error.message.startswith("null is not of type"):
                continue  # the second API answers null for what was not asked for (docs "API v2 overview")
            where = "".join("[]" if isinstance(p, int) else f".{p}" for p in error.instance_path)
            found.add(f"{kind}{where}: {error.message[:90]}")
        return found

    def _validator(self, kind: str) -> Any:
        if kind not in self._validators:
            reference = {"$ref": f"#/components/schemas/{self._names[kind]}"}
            whole = {"$schema": DRAFT, **reference, "components": {"schemas": self._schemas}}
            self._validators[kind] = jsonschema_rs.validator_for(whole)
        return self._validators[kind]


def _kind_of(schema: JSON) -> str | None:
    named = schema.get("properties", {}).get("object", {}).get("enum")
    return str(named[0]) if named and named[0] != "list" else None


def _converted(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_converted(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    dropped = ("nullable", "description", "discriminator", "enum")
    kept = {k: _converted(v) for k, v in schema.items() if k not in dropped and not k.startswith("x-")}
    if schema.get("enum") and len(schema["enum"]) == 1:  # names the kind of an object: never open
        kept["enum"] = [*schema["enum"], *([None] if schema.get("nullable") else [])]
    if schema.get("nullable") is True:
        return _nullable(kept)
    return kept


def _nullable(schema: JSON) -> JSON:
    if "$ref" in schema:
        return {"anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}]}
    if "anyOf" in schema:
        return {**schema, "anyOf": [*schema["anyOf"], {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else schema
