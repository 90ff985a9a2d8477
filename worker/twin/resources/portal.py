"""The customer portal and the account itself, as far as a link and a look at their settings go."""

from __future__ import annotations

from typing import Any

from worker.twin import pages
from worker.twin.store import Doc
from worker.twin.world import Call, World

CONFIGURATION = "bpc_twin"


def create_session(world: World, call: Call) -> Doc:
    """`POST /v1/billing_portal/sessions`: a link to a plain page for the payment method."""
    customer = world.store.get("customer", call.params.get("customer") or "", "customer")
    session_id = world.ids.new("bps", 20)
    world.portal_sessions[session_id] = customer["id"]
    return {
        "id": session_id,
        "object": "billing_portal.session",
        "after_expiration": None,
        "configuration": CONFIGURATION,
        "created": world.clock.now(),
        "customer": customer["id"],
        "customer_account": None,
        "flow": call.params.get("flow_data"),
        "livemode": False,
        "locale": call.params.get("locale"),
        "on_behalf_of": None,
        "return_url": call.params.get("return_url"),
        "url": f"{world.base_url}/_twin/portal/{session_id}",
    }


def find_configurations(world: World, call: Call) -> Doc:
    """`GET /v1/billing_portal/configurations`: one, whose plan changes `/_twin/account` switches."""
    configuration = {
        "id": CONFIGURATION,
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": 0,
        "default_return_url": None,
        "features": _features(world.account.portal_changes_plans),
        "is_default": True,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": 0,
    }
    return pages.page([configuration], call.params, "/v1/billing_portal/configurations")


def _features(changes_plans: bool) -> dict[str, Any]:
    return {
        "customer_update": {"allowed_updates": [], "enabled": False},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True, "payment_method_configuration": None},
        "subscription_cancel": {
            "cancellation_reason": {"enabled": False, "options": []},
            "enabled": False,
            "mode": "at_period_end",
            "proration_behavior": "none",
        },
        "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
        "subscription_update": {
            "billing_cycle_anchor": "unchanged",
            "default_allowed_updates": ["price", "quantity"] if changes_plans else [],
            "enabled": changes_plans,
            "products": [],
            "proration_behavior": "none",
            "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial",
        },
    }


def retrieve_account(world: World, call: Call) -> Doc:
    """`GET /v1/account`: who the key belongs to."""
    return {
        "id": "acct_twin",
        "object": "account",
        "business_profile": {"name": "Twin"},
        "business_type": None,
        "capabilities": {"card_payments": "active"},
        "charges_enabled": True,
        "country": "US",
        "created": 0,
        "default_currency": "usd",
        "details_submitted": True,
        "email": "twin@example.com",
        "metadata": {},
        "payouts_enabled": True,
        "settings": _SETTINGS,
        "type": "standard",
    }


_NAMES: dict[str, Any] = dict.fromkeys(
    ("statement_descriptor", "statement_descriptor_kana", "statement_descriptor_kanji")
)
_PREFIXES: dict[str, Any] = dict.fromkeys(
    (
        "statement_descriptor_prefix",
        "statement_descriptor_prefix_kana",
        "statement_descriptor_prefix_kanji",
    )
)
_SETTINGS: dict[str, Any] = {
    "branding": dict.fromkeys(("icon", "logo", "primary_color", "secondary_color")),
    "card_payments": _PREFIXES,
    "dashboard": {"display_name": "Twin", "timezone": "Etc/UTC"},
    "payments": _NAMES,
}

HANDLERS = {
    "billing_portal.session_create": create_session,
    "billing_portal.configuration_list": find_configurations,
    "account_retrieve_current": retrieve_account,
}
