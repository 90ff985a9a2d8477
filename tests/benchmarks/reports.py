"""Invoices of many accounts in the mirror, made by the server itself: what a report of finance reads."""

from __future__ import annotations

from sync.store.db import Pool

START = 1_767_225_600  # 2026-01-01
DAY = 86_400

# Each account bought on a day of January's first, renewed twice, and has one line by hand.
ACCOUNTS = """
INSERT INTO account (id, email, name, locale, currency, primary_admin_user_id, primary_admin_email,
                     stripe_customer_id, stripe_subscription_id)
SELECT 'acc_' || n, 'a@b.c', 'Account ' || n, 'en', 'usd', 'ada', 'ada@b.c', 'cus_' || n, 'sub_' || n
  FROM generate_series(1, $1::int) AS n
"""
PRICES = """
INSERT INTO catalog_price (lookup_key, slot, version, stripe_price_id, stripe_product_id, unit_amount_minor,
                           currency, sold_now)
SELECT key || ':v1', key, 1, 'price_' || part, 'prod_' || part, minor, 'usd', true
  FROM (VALUES ('base', 'prorata:base:marketing:plus:-:month:usd', 4900),
               ('contacts', 'prorata:contacts:marketing:plus:1000:month:usd', 2000),
               ('seats', 'prorata:seats:marketing:plus:-:month:usd', 1500)) AS sold (part, key, minor)
"""
QUOTES = """
INSERT INTO quote (id, account_id, actor_id, wish, current_terms, now_terms, self_serve, refusals,
                   stripe_params, currency, due_today_minor, total_minor, to_balance_minor,
                   starting_balance_minor, lines, from_now_on_minor, from_now_on_interval, fingerprint,
                   expires_at, created_at)
SELECT 'quo_' || n, 'acc_' || n, 'ada', '{}', NULL, terms, true, '[]', params, 'usd', 9900, 9900, 0, 0,
       (SELECT jsonb_agg(jsonb_build_object(
               'kind', 'charge', 'pinned', false, 'period', jsonb_build_object('start', 0, 'end', 0),
               'price_id', 'price_' || part, 'quantity', quantity, 'amount_minor', minor,
               'description', part, 'price_lookup_key', part) ORDER BY place) FROM billed),
       9900, 'month', 'f', now(), to_timestamp($2::bigint)
  FROM generate_series(1, $1::int) AS n,
       (SELECT '{"product": "marketing", "tier": "plus", "contact_limit": 1000, "seats": 5, "add_ons": {},
                 "interval": "month"}'::jsonb AS terms,
               '{"items": [{"price": "price_base"}, {"price": "price_contacts"},
                           {"price": "price_seats"}]}'::jsonb AS params) AS given
"""
BILLED = """
CREATE TEMPORARY TABLE billed (place int, part text, quantity int, minor int)
"""
BILLED_ROWS = """
INSERT INTO billed VALUES (0, 'base', 1, 4900), (1, 'contacts', 1, 2000), (2, 'seats', 2, 3000)
"""
CHANGES = """
INSERT INTO change (id, quote_id, account_id, actor_id, created_at)
SELECT 'chg_' || n, 'quo_' || n, 'acc_' || n, 'ada', to_timestamp($2::bigint + n % 86400)
  FROM generate_series(1, $1::int) AS n
"""
LEGS = """
INSERT INTO change_leg (change_id, leg, account_id, state, terms, quoted_minor, charged_minor,
                        difference_minor, stripe_invoice_id, apply_deadline_at, applied_at, settled_at,
                        ended_at)
SELECT 'chg_' || n, 'now', 'acc_' || n, 'settled', quote.now_terms, 9900, 9900, 0, 'in_' || n || '_0',
       now(), to_timestamp($2::bigint), to_timestamp($2::bigint), to_timestamp($2::bigint)
  FROM generate_series(1, $1::int) AS n JOIN quote ON quote.id = 'quo_' || n
"""
TERMS = """
INSERT INTO account_terms (account_id, effective_at, product, tier, contact_limit, seats, add_ons, interval,
                           change_id, leg)
SELECT 'acc_' || n, to_timestamp($2::bigint), 'marketing', 'plus', 1000, 5, '{}', 'month', 'chg_' || n, 'now'
  FROM generate_series(1, $1::int) AS n
"""
# Three invoices an account: the purchase, and two renewals; the last one has a line by hand.
HEADS = """
INSERT INTO stripe_object (id, kind)
SELECT 'in_' || n || '_' || month, 'invoice'
  FROM generate_series(1, $1::int) AS n, generate_series(0, 2) AS month
"""
INVOICES = """
INSERT INTO stripe_invoice (id, customer_id, subscription_id, status, currency, total_minor, subtotal_minor,
       amount_due_minor, amount_paid_minor, amount_remaining_minor, starting_balance_minor, tax_minor,
       discount_minor, billing_reason, number, period_start_unix, period_end_unix, created_unix)
SELECT 'in_' || n || '_' || month, 'cus_' || n, 'sub_' || n, 'paid', 'usd', total, total, total, total, 0, 0,
       0, 0, CASE month WHEN 0 THEN 'subscription_create' ELSE 'subscription_cycle' END, 'A-' || n, start,
       start, start
  FROM generate_series(1, $1::int) AS n, generate_series(0, 2) AS month,
       LATERAL (SELECT 9900 + CASE month WHEN 2 THEN 100 ELSE 0 END AS total,
                       $2::bigint + month * 2592000 + n % 86400 AS start) AS made
"""
LINES = """
INSERT INTO stripe_invoice_line (invoice_id, position, id, amount_minor, currency, description, quantity,
       period_start_unix, period_end_unix, proration, price_id, subscription_item_id, tax_minor,
       discount_minor)
SELECT 'in_' || n || '_' || month, place, 'il_' || n || '_' || month || '_' || place, minor, 'usd',
       part || ' of the account ' || n, quantity, start, start + 2592000, false, 'price_' || part,
       'si_' || n || '_' || part, 0, 0
  FROM generate_series(1, $1::int) AS n, generate_series(0, 2) AS month, billed,
       LATERAL (SELECT $2::bigint + month * 2592000 + n % 86400 AS start) AS made
"""
LINES_BY_HAND = """
INSERT INTO stripe_invoice_line (invoice_id, position, id, amount_minor, currency, description, quantity,
       period_start_unix, period_end_unix, proration, price_id, subscription_item_id, tax_minor,
       discount_minor)
SELECT 'in_' || n || '_2', 3, 'il_' || n || '_hand', 100, 'usd', '=by hand', 1, $2::bigint, $2::bigint,
       false,
       NULL, NULL, 0, 0
  FROM generate_series(1, $1::int) AS n
"""
LINES_OF_AN_ACCOUNT = 10


async def fill(pool: Pool, accounts: int) -> None:
    """Make so many accounts with ten invoice lines each."""
    async with pool.acquire() as conn:
        await conn.execute(BILLED)
        await conn.execute(BILLED_ROWS)
        await conn.execute(PRICES)
        await conn.execute(ACCOUNTS, accounts)
        for statement in (QUOTES, CHANGES, LEGS, TERMS, INVOICES, LINES, LINES_BY_HAND):
            await conn.execute(statement, accounts, START, timeout=300)
        await conn.execute(HEADS, accounts)
        await conn.execute("ANALYZE")
