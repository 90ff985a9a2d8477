-- The mirror of how invoices are paid, and of what is scheduled. Times named *_unix are Stripe's own seconds.

CREATE TABLE stripe_charge (
    id                     text PRIMARY KEY,
    customer_id            text,
    payment_intent_id      text,
    status                 text NOT NULL,
    currency               text NOT NULL,
    amount_minor           bigint NOT NULL,
    captured               boolean NOT NULL,
    amount_captured_minor  bigint NOT NULL,
    amount_refunded_minor  bigint NOT NULL,   -- may shrink again: a refund can fail days later
    disputed               boolean NOT NULL,
    failure_code           text,
    balance_transaction_id text,
    created_unix           bigint NOT NULL
);
CREATE INDEX stripe_charge_intent ON stripe_charge (payment_intent_id) WHERE payment_intent_id IS NOT NULL;

CREATE TABLE stripe_payment_intent (
    id                text PRIMARY KEY,
    customer_id       text,
    invoice_id        text,                   -- as far as the intent names it
    status            text NOT NULL,
    currency          text NOT NULL,
    amount_minor      bigint NOT NULL,
    last_error_code   text,                   -- null: no attempt failed since the last success
    last_decline_code text,
    created_unix      bigint NOT NULL
);
CREATE INDEX stripe_payment_intent_invoice ON stripe_payment_intent (invoice_id) WHERE invoice_id IS NOT NULL;

-- The link between an invoice and what pays it: neither of the two names the other for certain.
CREATE TABLE stripe_invoice_payment (
    id                     text PRIMARY KEY,
    invoice_id             text NOT NULL,
    payment_intent_id      text,
    charge_id              text,
    status                 text NOT NULL,
    currency               text NOT NULL,
    amount_requested_minor bigint NOT NULL,
    amount_paid_minor      bigint,            -- null: not paid (yet)
    created_unix           bigint NOT NULL
);
CREATE INDEX stripe_invoice_payment_invoice ON stripe_invoice_payment (invoice_id);
CREATE INDEX stripe_invoice_payment_intent ON stripe_invoice_payment (payment_intent_id)
    WHERE payment_intent_id IS NOT NULL;

CREATE TABLE stripe_subscription_schedule (
    id                       text PRIMARY KEY,
    customer_id              text,
    status                   text NOT NULL,
    subscription_id          text,            -- null once released
    released_subscription_id text,
    current_phase_start_unix bigint,          -- null: before the first phase, or after the last
    current_phase_end_unix   bigint,
    end_behavior             text NOT NULL,
    test_clock_id            text,
    metadata                 jsonb NOT NULL,
    created_unix             bigint NOT NULL
);
CREATE INDEX stripe_subscription_schedule_subscription
    ON stripe_subscription_schedule (subscription_id) WHERE subscription_id IS NOT NULL;

CREATE TABLE stripe_subscription_schedule_item (
    schedule_id      text NOT NULL,
    position         integer NOT NULL,        -- over all phases, in Stripe's own order
    phase            integer NOT NULL,        -- from 0
    phase_start_unix bigint NOT NULL,
    phase_end_unix   bigint NOT NULL,
    price_id         text NOT NULL,
    quantity         bigint,                  -- null: metered
    PRIMARY KEY (schedule_id, position)
);

-- A person who holds one of these ids wants its story without a read of the whole table.
CREATE INDEX stripe_call_request ON stripe_call (stripe_request_id) WHERE stripe_request_id IS NOT NULL;
CREATE INDEX change_leg_invoice ON change_leg (stripe_invoice_id) WHERE stripe_invoice_id IS NOT NULL;

-- What pays an invoice, from both sides of the link: a payment is told when it is made, an intent before.
-- A pair may be in it twice.
CREATE VIEW stripe_invoice_paid_by AS
SELECT invoice_id, payment_intent_id, charge_id FROM stripe_invoice_payment
 UNION ALL
SELECT invoice_id, id, NULL FROM stripe_payment_intent WHERE invoice_id IS NOT NULL;
