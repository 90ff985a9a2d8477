"""The description is a valid OpenAPI 3.1 document, complete, and made of schemas that can be used."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from handlers.errors import STATUS
from handlers.openapi import document, problem_codes
from handlers.registry import Idempotency
from handlers.routes import DOORS, ROUTES
from sync.errors import Code
from tests.http.conftest import Client
from tests.http.description import Description

# Codes of what is not due over HTTP: the files of the process, and defects.
# Faults of files, and the reason of a change that no caller is waiting for.
NOT_OF_A_ROUTE = {Code.CATALOG_INVALID, Code.POLICY_INVALID, Code.RENEWAL_MISSED, Code.RENEWAL_AT_RISK}


@pytest.fixture(scope="module")
def description() -> Description:
    """The description of the whole surface."""
    return Description(document(ROUTES, DOORS))


def references(value: Any) -> list[str]:
    """Return every $ref below a value."""
    if isinstance(value, dict):
        mine = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return mine + [found for inner in value.values() for found in references(inner)]
    if isinstance(value, list):
        return [found for inner in value for found in references(inner)]
    return []


def test_it_has_the_fields_of_openapi_3_1(description: Description) -> None:
    """Version, info, paths and components are there, and nothing that 3.1 does not know."""
    known = {"openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "tags"}

    assert description.document["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(description.document["info"])
    assert set(description.document) <= known


def test_every_schema_is_a_json_schema(description: Description) -> None:
    """Each component is valid by the meta schema of draft 2020-12."""
    for schema in description.schemas().values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_reference_leads_somewhere(description: Description) -> None:
    """No reference points at a component that is not there."""
    names = {f"#/components/schemas/{name}" for name in description.schemas()}

    assert set(references(description.document)) <= names


def test_every_component_is_used(description: Description) -> None:
    """Nothing is described that no route speaks of."""
    used = {reference.rpartition("/")[2] for reference in references(description.document)}

    assert set(description.schemas()) == used


def test_every_operation_has_what_it_needs(description: Description) -> None:
    """Each has a unique id, a summary, answers with descriptions, and declares its path parameters."""
    operations = description.operations()
    for _, path, operation in operations:
        declared = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        assert declared == re.findall(r"{(\w+)}", path)
        assert operation["summary"]
        assert all(answer["description"] for answer in operation["responses"].values())
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)


def test_parameters_are_complete(description: Description) -> None:
    """Each parameter says where it is, whether it is needed, and which schema it has."""
    for _, _, operation in description.operations():
        for parameter in operation.get("parameters", []):
            assert {"name", "in", "required", "schema"} <= set(parameter)
            assert "anyOf" not in parameter["schema"]


async def test_it_is_complete(client: Client) -> None:
    """Every route of the running server is described, and nothing else."""
    described = {(method, path) for method, path, _ in (await Description.of(client)).operations()}
    served = {(route.method, route.resource.canonical) for route in client.app.router.routes()}  # type: ignore[union-attr]

    assert described == served


def test_auth_is_described(description: Description) -> None:
    """Routes below /v1 need a key, with the roles named; the others are open."""
    for _, path, operation in description.operations():
        assert operation["security"] == ([{"api_key": []}] if path.startswith("/v1/") else [])
        assert bool(operation.get("x-roles")) == path.startswith("/v1/")


def test_every_code_is_described_somewhere() -> None:
    """Each problem code can be met at some route, or only exists for files and defects."""
    met = {code for route in ROUTES for code in problem_codes(route)}

    assert set(STATUS) - met <= NOT_OF_A_ROUTE | {"method_not_allowed"}


def test_the_table_of_codes_is_in_the_description(description: Description) -> None:
    """A client can read every code from the document."""
    assert description.schemas()["ProblemCode"]["enum"] == [code.value for code in STATUS]


def test_every_post_takes_a_key_but_the_estimate() -> None:
    """An estimate stores nothing, so it has nothing to repeat; confirm cannot do without."""
    kinds = {route.path.rpartition("/")[2]: route.idempotency for route in ROUTES if route.method == "POST"}

    assert {name for name, kind in kinds.items() if kind is Idempotency.NONE} == {"estimates"}
    assert {name for name, kind in kinds.items() if kind is Idempotency.REQUIRED_LIVE} == {"confirm"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_bodies_refuse_unknown_members(description: Description, route: Any) -> None:
    """The described body is as strict as the server."""
    if route.has_body:
        assert description.schemas()[route.body.__name__]["additionalProperties"] is False
