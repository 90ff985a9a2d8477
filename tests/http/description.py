"""Holds real answers to the description that we publish, with a validator that is not ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from tests.http.conftest import Client

UNDESCRIBED = {"text/plain"}


@dataclass
class Description:
    """The OpenAPI document of a running application."""

    document: dict[str, Any]

    @classmethod
    async def of(cls, client: Client) -> Description:
        """Fetch the description of the application that this client talks to."""
        response = await client.get("/openapi.json")
        assert response.status == 200
        return cls(await response.json())

    def operations(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return method, path template and operation of every route."""
        return [
            (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        ]

    def schemas(self) -> dict[str, dict[str, Any]]:
        """Return the component schemas by name."""
        found: dict[str, dict[str, Any]] = self.document["components"]["schemas"]
        return found

    def flaws(self, schema: dict[str, Any], value: Any) -> list[str]:
        """Return what is wrong with a value according to a schema of the document."""
        whole = {**schema, "components": self.document["components"]}
        validator = jsonschema_rs.Draft202012Validator(whole)
        return [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(value)]

    async def check(self, template: str, response: Any) -> Any:
        """Assert that an answer is one that the description promises for this route, and return its body."""
        operation = self.document["paths"][template][response.method.lower()]
        assert str(response.status) in operation["responses"], f"{response.status} is not described"
        content = operation["responses"][str(response.status)]["content"]
        assert response.content_type in content
        body = json.loads(await response.read())
        assert self.flaws(content[response.content_type]["schema"], body) == []
        return body
