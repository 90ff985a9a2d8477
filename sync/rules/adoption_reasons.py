"""Why an existing subscription cannot be taken over, and what is worth knowing of one that can."""

from __future__ import annotations

from dataclasses import dataclass

from sync.told import Told


class Reason(Told):
    """Why nothing was written for a subscription."""

    # The subscription and its customer.
    ENDED = "ended", "The subscription has ended."
    INCOMPLETE = "incomplete", "The subscription's first payment is still missing."
    FOREIGN_SCHEDULE = "foreign_schedule", "A schedule drives the subscription, and its phases are not terms."
    PENDING_UPDATE = "pending_update", "An update waits for its payment: which items hold is not decided yet."
    SECOND_SUBSCRIPTION = (
        "second_subscription",
        "The customer has more than one living subscription, and an account has one.",
    )
    CUSTOMER_DELETED = "customer_deleted", "The customer was deleted at Stripe."
    CURRENCY_NOT_SOLD = "currency_not_sold", "The catalog sells nothing in the subscription's currency."
    CURRENCY_DIFFERS = "currency_differs", "A currency is not the account's."

    # The items.
    UNKNOWN_PRICE = "unknown_price", "Nothing says what the price stands for."
    SLOT_UNREADABLE = "slot_unreadable", "What names the price's slot does not follow the grammar of slots."
    SLOTS_DISAGREE = "slots_disagree", "What is said of the price does not agree."
    NOT_IN_CATALOG = "not_in_catalog", "The catalog does not sell the slot."
    UNKNOWN_BAND = "unknown_band", "The catalog has no such contact limit."
    AMOUNT_DIFFERS = "amount_differs", "The price's amount is not the catalog's, and nobody accepted it."
    PRICE_NOT_FIXED = "price_not_fixed", "The price has no fixed amount for one unit."
    METERED = "metered", "The price is metered, and everything in the catalog is licensed."
    INTERVAL_NOT_SOLD = "interval_not_sold", "The price is not billed every month or every year."
    MIXED_INTERVALS = "mixed_intervals", "The items do not all renew together."
    DOUBLED_ITEM = "doubled_item", "Two items stand for the same thing."
    NO_BASE_ITEM = "no_base_item", "No item stands for the product and its tier."
    NO_CONTACTS_ITEM = "no_contacts_item", "No item stands for the contact limit."
    TWO_PRODUCTS = "two_products", "The items stand for more than one product."
    TWO_TIERS = "two_tiers", "The items stand for more than one tier."
    QUANTITY_NOT_ONE = "quantity_not_one", "A product or a contact limit is bought once."
    NOT_SOLD_TOGETHER = "not_sold_together", "The catalog does not sell these items together, or not so many."

    # The account.
    ACCOUNT_ID_MISSING = "account_id_missing", "The customer does not say which account it is."
    ACCOUNT_ID_UNREADABLE = "account_id_unreadable", "The account's id is none that the API could address."
    ACCOUNT_IDS_DISAGREE = "account_ids_disagree", "The customer names two different accounts."
    ACCOUNT_ID_SHARED = "account_id_shared", "Several customers say that they are the same account."
    ACCOUNT_TAKEN = "account_taken", "The account exists here with another customer."
    PRIMARY_ADMIN_MISSING = "primary_admin_missing", "Nothing says who the account's primary admin is."
    PRIMARY_ADMIN_UNREADABLE = (
        "primary_admin_unreadable",
        "The primary admin's user id is too long, or has characters that cannot be printed.",
    )
    EMAIL_MISSING = "email_missing", "The customer has no e-mail address."
    EMAIL_UNREADABLE = "email_unreadable", "An e-mail address has not the form of one."
    CHANGE_IN_PROGRESS = "change_in_progress", "A change of the account is still open."


class Remark(Told):
    """What is adopted as it is, and limits what can be changed later."""

    OUTSIDE_CATALOG = "outside_catalog", "An item outside the catalog; it is left alone."
    OTHER_AMOUNT = (
        "other_amount",
        "A price whose amount is not the catalog's; it is kept until it is changed.",
    )
    TRIALING = "trialing", "In a trial: it can be changed once that ends."
    UNPAID = "unpaid", "Earlier invoices are unpaid: it can be changed once they are paid."
    PAUSED = "paused", "Paused at Stripe: it can be changed once it goes on."
    ENDS = "ends", "It ends with its period, or on a date that is set."
    PAYS_BY_INVOICE = "pays_by_invoice", "It pays by invoice: changes go through support."


@dataclass(frozen=True, slots=True)
class Why:
    """One reason or remark: about which item, price or customer, and a sentence with its values."""

    code: Reason | Remark
    about: str
    detail: str

    def to_json(self) -> dict[str, str]:
        """Return `{"code", "about", "detail"}`."""
        return {"code": str(self.code), "about": self.about, "detail": self.detail}


def why(code: Reason | Remark, about: str, values: str = "", advice: str = "") -> Why:
    """Return a reason whose sentence ends with the values that were found, and what to do about it."""
    said = f"{code.sentence.removesuffix('.')}: {values}." if values else code.sentence
    return Why(code, about, f"{said} {advice}".strip())
