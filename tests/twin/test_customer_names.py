"""Names of a business and of a person: a customer shows them while they are set."""

from __future__ import annotations

from tests.twin.api import Api


async def test_a_name_that_is_not_set_is_absent(api: Api) -> None:
    """Set, changed and emptied; the event of the removal says what it was."""
    customer = await api.customer(None)
    assert not {"business_name", "individual_name"} & set(customer)
    path = f"/v1/customers/{customer['id']}"
    named = await api.post(path, {"business_name": "Acme", "individual_name": "Ann"})
    assert (named["business_name"], named["individual_name"]) == ("Acme", "Ann")
    bare = await api.post(path, {"business_name": ""})
    assert "business_name" not in bare
    assert bare["individual_name"] == "Ann"
    assert (await api.events())[0]["data"]["previous_attributes"] == {"business_name": "Acme"}
