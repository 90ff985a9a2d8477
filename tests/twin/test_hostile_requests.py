"""Requests that no client should send: each gets Stripe's error body, and none is a 500."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.twin.api import Api, first_item

FORM = "application/x-www-form-urlencoded"


async def send(api: Api, method: str, path: str, body: bytes = b"", kind: str = FORM, **headers: str) -> Any:
    """One raw request; returns (status, decoded body or None)."""
    sent = {"Authorization": "Bearer sk_test_twin", "Content-Type": kind, **headers}
    data = io.BytesIO(body) if body else None
    async with api.session.request(method, api.base_url + path, data=data, headers=sent) as answer:
        api.headers = dict(answer.headers)
        return answer.status, await answer.json() if method != "HEAD" else None


@pytest.mark.parametrize(
    "body",
    [
        b"name=%zz",
        b"name=%",
        b"name=%ff%fe",
        b"name=\xff\xfe",
        b"name=a%00b",
        b"metadata=1&metadata[a]=2",
        b"metadata[a]=1&metadata[a][b]=2",
        b"name[=1",
        b"[a]=1",
        b"a]b=1",
        b"=1",
        b"&".join(b"a%d=1" % n for n in range(10_001)),
        b"address[city][x][y][z]=1",
        b"invoice_settings[custom_fields][x]=1",
        b"invoice_settings[custom_fields][0]=1",
        b"balance=" + b"9" * 5000,
        b"balance=1e5",
        b"balance=%D9%A3",
        b"expand=a",
        b"expand[a]=b",
        b"expand[][x]=b",
        b"tax_id_data[0][type]=zz",
    ],
)
async def test_a_malformed_form_is_400(api: Api, body: bytes) -> None:
    """Broken percent signs, bytes that are no text, contradicting names, wrong types: nothing is made."""
    status, answer = await send(api, "POST", "/v1/customers", body)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error"), answer
    assert (await api.get("/v1/customers"))["data"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=x", "limit=", "starting_after=cus_no", "created[gte]=x", "created=",
     "email[x]=1", "limit=1&limit[a]=2", "%ff=1", "expand[]=data.nothing", "expand[]=nothing", "nonsense=1"],
)  # fmt: skip
async def test_a_malformed_query_is_400(api: Api, query: str) -> None:
    """The same holds for lists; the error names the parameter where there is one."""
    await api.customer(None)
    status, answer = await send(api, "GET", f"/v1/customers?{query}")
    assert (status, answer["error"]["type"]) in ((400, "invalid_request_error"), (200, None)), answer


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
async def test_another_content_type_is_400(api: Api, kind: str) -> None:
    """`/v1/` takes forms only, and says so."""
    status, answer = await send(api, "POST", "/v1/customers", b'{"name": "Ada"}', kind)
    assert (status, "content type" in answer["error"]["message"]) == (400, True)


async def test_a_huge_body_is_413(api: Api) -> None:
    """More than the server takes."""
    status, answer = await send(api, "POST", "/v1/customers", b"name=" + b"x" * 5_000_000)
    assert (status, answer["error"]["type"]) == (413, "invalid_request_error")


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "OPTIONS"])
async def test_other_methods_are_404(api: Api, method: str) -> None:
    """Stripe has GET, POST and DELETE."""
    status, answer = await send(api, method, "/v1/customers")
    assert status == 404
    assert answer is None or answer["error"]["message"].startswith("Unrecognized request URL")


@pytest.mark.parametrize(
    "path",
    ["/v1", "/v1/", "/v1//customers", "/v1/customers/", "/v1/customers/a/b/c", "/", "/v3/x", "/v1/%ff"],
)
async def test_unknown_paths_are_404(api: Api, path: str) -> None:
    """Whatever the path is made of."""
    status, answer = await send(api, "GET", path)
    assert (status, answer["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer sk_live_x", None),
        ("Bearer rk_live_x", None),
        ("Bearer pk_test_x", "secret_key_required"),
        ("Bearer", None),
        ("Bearer x\u00e9", None),
        ("Basic !!!", None),
        ("Basic c2tfdGVzdA==", None),
        ("Digest x", None),
    ],
)
async def test_other_keys_are_401(api: Api, header: str, code: str | None) -> None:
    """A live, publishable, malformed or unknown key; the answer has no page in the dashboard's log."""
    status, answer = await send(api, "GET", "/v1/customers", Authorization=header)
    assert (status, answer["error"].get("code")) == (401, code)
    assert "request_log_url" not in answer["error"]


@pytest.mark.parametrize("header", ["Bearer rk_test_x", "Basic c2tfdGVzdF94Og==", "sk_test_x"])
async def test_test_keys_are_taken(api: Api, header: str) -> None:
    """Restricted keys too, and the key as the user name of basic authentication."""
    assert (await send(api, "GET", "/v1/customers", Authorization=header))[0] == 200


async def test_both_forms_of_a_list(api: Api) -> None:
    """`expand[]` and `expand[0]` mean the same."""
    subscription = await api.seats()
    for name in ("expand[]", "expand[0]", "expand%5B%5D"):
        path = f"/v1/subscriptions/{subscription['id']}?{name}=latest_invoice"
        assert (await send(api, "GET", path))[1]["latest_invoice"]["object"] == "invoice"


async def test_the_last_of_two_values_counts(api: Api) -> None:
    """A parameter that is sent twice has its last value."""
    assert (await send(api, "POST", "/v1/customers", b"name=a&name=b"))[1]["name"] == "b"


async def test_an_error_names_its_place(api: Api) -> None:
    """Type, code, parameter, the code's page, and the request's page in the dashboard."""
    subscription = await api.seats()
    path = f"/v1/subscriptions/{subscription['id']}"
    entry = {"id": first_item(subscription)["id"], "quantity": "many"}
    error = (await api.post(path, {"items": [entry]}, status=400))["error"]
    assert (error["code"], error["param"]) == ("parameter_invalid_integer", "items[0][quantity]")
    assert error["doc_url"] == "https://stripe.com/docs/error-codes/parameter-invalid-integer"
    assert f"/test/logs/{api.headers['Request-Id']}?t=" in error["request_log_url"]


async def test_a_control_door_is_closed_to_nonsense(api: Api) -> None:
    """The twin's own controls answer 400, too."""
    await api.control("dashboard", {"act": "roll_secret", "endpoint": "we_no"}, status=400)
    await api.control("dashboard", {"act": "resend", "event": "evt_no"}, status=404)
