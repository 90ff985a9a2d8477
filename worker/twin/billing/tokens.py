"""Stripe's documented test payment methods: what each of them is and what its bank says (docs "Testing").

Names are what follows `pm_card_` or `tok_`, `pm_usBankAccount_` and `pm_sepaDebit_`. Left out: cards for
Radar reviews, Terminal, microdeposits, several disputes on one charge and disputes by network programme.
"""

from __future__ import annotations

from typing import NamedTuple

GOOD, ACTION, DEBIT = "good", "action", "debit"
# Authentication that depends on whether the customer is there (docs "3D Secure authentication").
ON_SESSION, UNLESS_SET_UP = "on_session", "unless_set_up"
NEVER = "never"  # a debit that stays in `processing`


class Token(NamedTuple):
    """A test card: its `outcome` at the bank, and the `sequel` that follows a payment that succeeded."""

    number: str
    outcome: str = GOOD
    sequel: str = ""
    brand: str = "visa"
    country: str = "US"


def _abroad(country: str, number: str) -> Token:
    return Token(number, country=country)


TOKENS = {
    "visa": Token("4242424242424242"),
    "visa_debit": Token("4000056655665556"),
    "debit": Token("4000056655665556"),
    "mastercard": Token("5555555555554444", brand="mastercard"),
    "mastercard_debit": Token("5200828282828210", brand="mastercard"),
    "mastercard_prepaid": Token("5105105105105100", brand="mastercard"),
    "prepaid": Token("5105105105105100", brand="mastercard"),
    "amex": Token("378282246310005", brand="amex"),
    "discover": Token("6011111111111117", brand="discover"),
    "diners": Token("3056930009020004", brand="diners"),
    "jcb": Token("3566002020360505", brand="jcb"),
    "unionpay": Token("6200000000000005", brand="unionpay"),
    "us": Token("4242424242424242"),
    **{
        country.lower(): _abroad(country, number)
        for country, number in {
            "AT": "4000000400000008",
            "AU": "4000000360000006",
            "BE": "4000000560000004",
            "BR": "4000000760000002",
            "CA": "4000001240000000",
            "CH": "4000007560000009",
            "DE": "4000002760000016",
            "ES": "4000007240000007",
            "FR": "4000002500000003",
            "GB": "4000008260000000",
            "IE": "4000003720000005",
            "IN": "4000003560000008",
            "IT": "4000003800000008",
            "JP": "4000003920000003",
            "NL": "4000005280000002",
            "PL": "4000006160000005",
            "PT": "4000006200000007",
            "SE": "4000007520000008",
        }.items()
    },
    # declines
    "chargeDeclined": Token("4000000000000002", "generic_decline"),
    "chargeCustomerFail": Token("4000000000000341", "generic_decline"),
    "chargeDeclinedInsufficientFunds": Token("4000000000009995", "insufficient_funds"),
    "chargeDeclinedLostCard": Token("4000000000009987", "lost_card"),
    "chargeDeclinedStolenCard": Token("4000000000009979", "stolen_card"),
    "chargeDeclinedExpiredCard": Token("4000000000000069", "expired_card"),
    "chargeDeclinedIncorrectCvc": Token("4000000000000127", "incorrect_cvc"),
    "chargeDeclinedProcessingError": Token("4000000000000119", "processing_error"),
    "chargeDeclinedFraudulent": Token("4100000000000019", "fraudulent"),
    "chargeDeclinedVelocityLimitExceeded": Token("4000000000006975", "card_velocity_exceeded"),
    "radarBlock": Token("4100000000000019", "fraudulent"),
    "riskLevelHighest": Token("4000000000004954", "fraudulent"),
    # 3-D Secure
    "authenticationRequired": Token("4000002760003184", ACTION),
    "authenticationRequiredOnSetup": Token("4000002500003155", UNLESS_SET_UP),
    "authenticationRequiredSetupForOffSession": Token("4000003800000446", ON_SESSION),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Token(
        "4000008260003178", ACTION + ":insufficient_funds"
    ),
    "threeDSecureRequired": Token("4000000000003063", ACTION),
    "threeDSecure2Required": Token("4000000000003220", ACTION, country="IE"),
    "threeDSecureRequiredChargeDeclined": Token("4000008400001629", ACTION + ":generic_decline"),
    "threeDSecureRequiredProcessingError": Token("4000008400001280", "processing_error"),
    "threeDSecureOptional": Token("4000000000003055"),
    "threeDSecureOptionalProcessingError": Token("4000000000003097"),
    "amex_threeDSecureNotSupported": Token("378282246310005", brand="amex"),
    # disputes, refunds, funds
    "createDispute": Token("4000000000000259", sequel="dispute:fraudulent"),
    "createDisputeProductNotReceived": Token("4000000000002685", sequel="dispute:product_not_received"),
    "createDisputeInquiry": Token("4000000000001976", sequel="inquiry:fraudulent"),
    "pendingRefund": Token("4000000000007726", sequel="refund_pending"),
    "refundFail": Token("4000000000005126", sequel="refund_fails"),
    "bypassPending": Token("4000000000000077", sequel="available"),
    "bypassPendingInternational": Token("4000003720000278", sequel="available", country="IE"),
}
NUMBERS = {token.number: name for name, token in reversed(TOKENS.items())}


class Bank(NamedTuple):
    """A test bank account: `failure` is what comes back after some days, "" for success."""

    account: str
    failure: str = ""
    sequel: str = ""


US_BANKS = {
    "success": Bank("000123456789"),
    "accountClosed": Bank("000111111113", "account_closed"),
    "noAccount": Bank("000111111116", "no_account"),
    "insufficientFunds": Bank("000222222227", "insufficient_funds"),
    "debitNotAuthorized": Bank("000333333335", "debit_not_authorized"),
    "invalidCurrency": Bank("000444444440", "invalid_currency"),
    "dispute": Bank("000555555559", sequel="dispute:debit_not_authorized"),
    "processing": Bank("000000000009", NEVER),
    "weeklyLimitExceeded": Bank("000777777771", "charge_exceeds_weekly_limit"),
}
# `pm_sepaDebit_<name>_<country>`; the IBANs are Germany's, the other countries have the same set.
SEPA_BANKS = {
    "success": Bank("DE89370400440532013000"),
    "successDelayed": Bank("DE08370400440532013003"),
    "failed": Bank("DE62370400440532013001", "generic_could_not_process"),
    "failedDelayed": Bank("DE78370400440532013004", "generic_could_not_process"),
    "disputed": Bank("DE35370400440532013002", sequel="dispute:debit_not_authorized"),
    "exceedsWeeklyVolumeLimit": Bank("DE65370400440000343434", "charge_exceeds_source_limit"),
    "exceedsWeeklyTransactionLimit": Bank("DE27370400440000121212", "charge_exceeds_weekly_limit"),
    "insufficientFunds": Bank("DE65370400440002222227", "insufficient_funds"),
}


def card(token: str) -> Token | None:
    """What `pm_card_...` or `tok_...` stands for; most declines have a second name with `visa_`."""
    name = token.removeprefix("pm_card_").removeprefix("tok_")
    return TOKENS.get(name) or TOKENS.get(name.removeprefix("visa_"))


def bank(token: str) -> tuple[str, Bank] | None:
    """(payment method type, account) of `pm_usBankAccount_...` or `pm_sepaDebit_...`."""
    prefix, _, name = token.removeprefix("pm_").partition("_")
    if prefix == "usBankAccount" and name in US_BANKS:
        return "us_bank_account", US_BANKS[name]
    name, _, country = name.rpartition("_")
    if prefix == "sepaDebit" and name in SEPA_BANKS and len(country) == 2:
        return "sepa_debit", SEPA_BANKS[name]
    return None


def bank_of(account: str) -> tuple[str, Bank] | None:
    """The same by account number or IBAN."""
    for kind, banks in (("us_bank_account", US_BANKS), ("sepa_debit", SEPA_BANKS)):
        found = next((b for b in banks.values() if b.account == account), None)
        if found is not None:
            return kind, found
    return None
