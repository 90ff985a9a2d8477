"""Whose subscription it is: the account's id, its primary admin and its address, from the customer alone.

Pure: what the customer does not say, or says in a form that no other door takes, is a reason to leave the
subscription alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sync.adopt.found import FoundCustomer
from sync.requests import ACCOUNT_METADATA
from sync.rules import identity
from sync.rules.adoption_reasons import Reason, Why, why

# Read where the operator names no other key.
ACCOUNT_KEYS: Final = (ACCOUNT_METADATA, "account_id")
ADMIN_KEY: Final = "primary_admin_user_id"
ADMIN_EMAIL_KEY: Final = "primary_admin_email"


@dataclass(frozen=True, slots=True)
class Naming:
    """What the operator said: the metadata key of the account's id, the admin's user id or its key."""

    account_id_key: str | None = None
    admin: str | None = None
    admin_key: str = ADMIN_KEY


@dataclass(frozen=True, slots=True)
class Owner:
    """The columns of an account that adoption makes."""

    account_id: str
    email: str
    name: str
    locale: str
    primary_admin_user_id: str
    primary_admin_email: str


def account_id_of(customer: FoundCustomer, naming: Naming) -> str | Why:
    """The account's id: what the named key says, or else the usual keys, or else the customer's own id."""
    keys = ACCOUNT_KEYS if naming.account_id_key is None else (naming.account_id_key,)
    said = {key: customer.metadata[key] for key in keys if customer.metadata.get(key)}
    if len(set(said.values())) > 1:
        values = " and ".join(f"{key} says {text!r}" for key, text in said.items())
        advice = "Say which one holds with --account-id-from metadata.KEY."
        return why(Reason.ACCOUNT_IDS_DISAGREE, customer.id, f"of {customer.id}, {values}", advice)
    if not said and naming.account_id_key is not None:
        values = f"{customer.id} has no metadata {naming.account_id_key}"
        return why(Reason.ACCOUNT_ID_MISSING, customer.id, values)
    account_id = next(iter(said.values()), customer.id)
    if not identity.is_account_id(account_id):
        values = f"{customer.id} says {account_id!r}"
        advice = f"An id is visible ASCII without a slash, at most {identity.LONGEST_ID} characters."
        return why(Reason.ACCOUNT_ID_UNREADABLE, customer.id, values, advice)
    return account_id


def owner_of(customer: FoundCustomer, naming: Naming) -> Owner | tuple[Why, ...]:
    """The account to be made, or everything that the customer does not say."""
    account_id, admin = account_id_of(customer, naming), _admin_of(customer, naming)
    email = _email(customer, customer.email)
    admin_email = _email(customer, customer.metadata.get(ADMIN_EMAIL_KEY) or customer.email)
    if (
        isinstance(account_id, Why)
        or isinstance(admin, Why)
        or isinstance(email, Why)
        or isinstance(admin_email, Why)
    ):
        said = (account_id, admin, email, admin_email)
        return tuple(dict.fromkeys(each for each in said if isinstance(each, Why)))
    name = identity.printable(customer.name or "").strip()[: identity.LONGEST_NAME]
    # An account's name is shorter than the longest address.
    name = name or email[: identity.LONGEST_NAME]
    return Owner(account_id, email, name, customer.locale, admin, admin_email)


def _admin_of(customer: FoundCustomer, naming: Naming) -> str | Why:
    said = naming.admin or customer.metadata.get(naming.admin_key)
    if not said:
        values = f"{customer.id} has no metadata {naming.admin_key}"
        advice = "Give --primary-admin-from metadata.KEY or --admin USER_ID."
        return why(Reason.PRIMARY_ADMIN_MISSING, customer.id, values, advice)
    if not identity.is_user_id(said):
        return why(Reason.PRIMARY_ADMIN_UNREADABLE, customer.id, f"for {customer.id}, {said!r}")
    return said


def _email(customer: FoundCustomer, said: str | None) -> str | Why:
    if not said:
        return why(Reason.EMAIL_MISSING, customer.id, customer.id)
    if not identity.is_email(said):
        return why(Reason.EMAIL_UNREADABLE, customer.id, f"{customer.id} says {said!r}")
    return said
