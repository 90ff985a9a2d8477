"""Whose a subscription is: what the customer says is held against the grammar of the API."""

from __future__ import annotations

import pytest

from sync.adopt.found import FoundCustomer
from sync.adopt.owner import Naming, Owner, owner_of

EMAIL = "ada@acme.example"


def customer(
    account_id: str | None = "acme", email: str | None = EMAIL, name: str | None = "Acme", **metadata: str
) -> FoundCustomer:
    """A customer that says everything."""
    said = {"primary_admin_user_id": "ada", **metadata}
    return FoundCustomer(
        "cus_1", email, name, metadata={**said, **({"account_id": account_id} if account_id else {})}
    )


def reasons(found: FoundCustomer, naming: Naming | None = None) -> list[str]:
    """The codes that stand against it."""
    said = owner_of(found, naming or Naming())
    return [] if isinstance(said, Owner) else [str(each.code) for each in said]


def account_id(found: FoundCustomer, naming: Naming | None = None) -> str:
    """The id of the account that would be made."""
    said = owner_of(found, naming or Naming())
    assert isinstance(said, Owner), said
    return said.account_id


@pytest.mark.parametrize("said", ["EU/acme", "a b", "a\n", "acme\n", " ", "\u00e9", "..", "a" * 201, "a\0"])
def test_account_id_that_the_api_could_not_address_is_refused(said: str) -> None:
    """An account that nobody can ask for would be charged all the same."""
    assert ["account_id_unreadable"] == reasons(customer(said))


@pytest.mark.parametrize("said", ["acme", "A.b-c_9", "a" * 200, "user@host:1"])
def test_account_id_that_the_api_takes_is_taken(said: str) -> None:
    """The same grammar as that of a new account."""
    assert said == account_id(customer(said))


def test_usual_keys_must_agree() -> None:
    """Two different names for one customer: only the operator can say which one holds."""
    both = customer("beta", prorata_account="acme")
    assert ["account_ids_disagree"] == reasons(both)
    assert "beta" == account_id(both, Naming("account_id"))
    assert "acme" == account_id(customer("acme", prorata_account="acme"))


def test_customer_that_names_no_account_is_its_own() -> None:
    """Unless the operator named a key: then it must be there."""
    assert "cus_1" == account_id(customer(None))
    assert ["account_id_missing"] == reasons(customer(None), Naming("host"))


@pytest.mark.parametrize(
    "said", ["not an email", "ada", "a@b@c", "ada@acme.example\n", "a" * 320 + "@b", "a\0@b"]
)
def test_address_without_the_form_of_one_is_refused(said: str) -> None:
    """The customer's own, and the primary admin's; the same one is named once."""
    assert ["email_unreadable"] == reasons(customer(email=said))
    assert ["email_unreadable"] == reasons(customer(primary_admin_email=said))


def test_everything_that_is_missing_is_named_at_once() -> None:
    """Whoever repairs it wants to do it once."""
    said = reasons(FoundCustomer("cus_1", metadata={"account_id": "a/b"}))
    assert ["account_id_unreadable", "primary_admin_missing", "email_missing"] == said


@pytest.mark.parametrize("said", ["ada\n", "a" * 201])
def test_admin_must_be_one_that_the_api_takes(said: str) -> None:
    """From the metadata, and from the command line."""
    assert ["primary_admin_unreadable"] == reasons(customer(primary_admin_user_id=said))
    assert ["primary_admin_unreadable"] == reasons(customer(), Naming(admin=said))


@pytest.mark.parametrize(
    ("name", "kept"),
    [("Acme\0\n", "Acme"), ("", EMAIL), (None, EMAIL), ("\t", EMAIL), ("n" * 201, "n" * 200)],
)
def test_name_is_cut_to_what_an_account_holds(name: str | None, kept: str) -> None:
    """It is only shown, so it is no reason to refuse."""
    said = owner_of(customer(name=name), Naming())
    assert isinstance(said, Owner)
    assert kept == said.name
