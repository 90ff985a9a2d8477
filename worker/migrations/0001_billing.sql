-- Accounts, what they buy, quotes, changes, and every write that we send to Stripe.
-- Amounts are integers in the currency's minor unit; times are timestamptz, except columns named *_unix,
-- which hold Stripe's own seconds.

CREATE TABLE account (
    id                     text PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 200),
    email                  text NOT NULL CHECK (length(email) <= 320),
    name                   text NOT NULL CHECK (length(name) <= 200),
    locale                 text NOT NULL CHECK (locale IN ('en', 'fr')),
    currency               text NOT NULL CHECK (currency ~ '^[a-z]{3}$'),
    primary_admin_user_id  text NOT NULL CHECK (length(primary_admin_user_id) BETWEEN 1 AND 200),
    primary_admin_email    text NOT NULL CHECK (length(primary_admin_email) <= 320),
    stripe_customer_id     text UNIQUE,
    stripe_subscription_id text UNIQUE,
    stripe_schedule_id     text UNIQUE,         -- the schedule of ours that drives the subscription
    contacts_in_use        integer CHECK (contacts_in_use >= 0),
    seats_in_use           integer CHECK (seats_in_use >= 0),
    parked_at              timestamptz,
    parked_reason          text,
    created_at             timestamptz NOT NULL DEFAULT now(),
    CHECK ((parked_at IS NULL) = (parked_reason IS NULL))
);

-- What the account buys, effective-dated: the open row is the present one.
CREATE TABLE account_terms (
    account_id    text NOT NULL REFERENCES account,
    effective_at  timestamptz NOT NULL,
    ended_at      timestamptz CHECK (ended_at >= effective_at),
    product       text NOT NULL,
    tier          text NOT NULL,
    contact_limit integer NOT NULL CHECK (contact_limit > 0),
    seats         integer NOT NULL CHECK (seats > 0),
    add_ons       jsonb NOT NULL CHECK (jsonb_typeof(add_ons) = 'object'),
    interval      text NOT NULL CHECK (interval IN ('month', 'year')),
    change_id     text NOT NULL,
    leg           text NOT NULL CHECK (leg IN ('now', 'at_renewal')),
    PRIMARY KEY (account_id, change_id, leg)
);
CREATE UNIQUE INDEX account_terms_present ON account_terms (account_id) WHERE ended_at IS NULL;

-- A quote pins Stripe's proration instant, the exact parameters, and the state that it was computed from.
CREATE TABLE quote (
    id                        text PRIMARY KEY,
    account_id                text NOT NULL REFERENCES account,
    actor_id                  text NOT NULL,
    wish                      jsonb NOT NULL CHECK (jsonb_typeof(wish) = 'object'), -- the named fields only
    cancel                    boolean,        -- the end with the period is asked for, or taken back
    approved                  text CHECK (approved IN ('now', 'renewal')),
    request_id                text,           -- the change request that it answers
    current_terms             jsonb,
    now_terms                 jsonb,
    renewal_terms             jsonb,
    scheduled_change_id       text,           -- whose renewal leg stood when it was made
    self_serve                boolean NOT NULL,
    refusals                  jsonb NOT NULL,
    stripe_subscription_id    text,
    stripe_params             jsonb,          -- the body that apply will send; null: nothing happens now
    proration_unix            bigint,
    currency                  text NOT NULL,
    due_today_minor           bigint CHECK (due_today_minor >= 0),   -- null: refused, nothing was priced
    to_balance_minor          bigint,
    total_minor               bigint,
    starting_balance_minor    bigint,
    lines                     jsonb NOT NULL,
    from_now_on_minor         bigint,
    from_now_on_interval      text,
    next_invoice              jsonb,
    estimate_difference_minor bigint,
    fingerprint               text NOT NULL,
    expires_at                timestamptz NOT NULL,
    created_at                timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX quote_account ON quote (account_id, created_at DESC);

-- A confirmed quote. A quote is used once.
CREATE TABLE change (
    id         text PRIMARY KEY,
    quote_id   text NOT NULL UNIQUE REFERENCES quote,
    account_id text NOT NULL REFERENCES account,
    actor_id   text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX change_account ON change (account_id, created_at DESC, id DESC);
CREATE INDEX change_listing ON change (created_at DESC, id DESC);

-- A change has up to two legs: what happens now, and what happens at renewal.
-- The states and their moves live in sync/changes.py; a test keeps this CHECK equal to them.
CREATE TABLE change_leg (
    change_id          text NOT NULL REFERENCES change,
    leg                text NOT NULL CHECK (leg IN ('now', 'at_renewal')),
    account_id         text NOT NULL REFERENCES account,
    state              text NOT NULL CHECK (state IN (
        'confirmed', 'applying', 'awaiting_payment', 'applied', 'settled',
        'failed', 'expired', 'withdrawn', 'superseded', 'scheduled', 'replaced')),
    reason             text,
    detail             text,
    terms              jsonb NOT NULL,
    quoted_minor       bigint,
    charged_minor      bigint,
    difference_minor   bigint,
    stripe_invoice_id  text,
    hosted_invoice_url text,
    payable_until      timestamptz,
    effective_on       timestamptz,
    apply_deadline_at  timestamptz NOT NULL,
    unknown_since      timestamptz,
    clean_read_at      timestamptz,           -- an unknown outcome was read back, and nothing was found
    ending             text CHECK (ending IN ('failed', 'expired', 'withdrawn', 'superseded', 'replaced')),
    attempts           integer NOT NULL DEFAULT 0,
    nudges             bigint NOT NULL DEFAULT 0,   -- grows with every event and wish that a worker must look at
    next_attempt_at    timestamptz NOT NULL DEFAULT now(),
    fence              bigint NOT NULL DEFAULT 0,
    leased_until       timestamptz NOT NULL DEFAULT '-infinity',
    event_seen_at      timestamptz,
    applied_at         timestamptz,
    settled_at         timestamptz,
    ended_at           timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (change_id, leg),
    CHECK ((ended_at IS NOT NULL) = (state IN
        ('settled', 'failed', 'expired', 'withdrawn', 'superseded', 'replaced')))
);
-- A promise that is in force only waits for its invoice: the next one may be made.
CREATE UNIQUE INDEX change_leg_one_open ON change_leg (account_id, leg)
    WHERE ended_at IS NULL AND NOT (leg = 'at_renewal' AND state = 'applied');
CREATE INDEX change_leg_due ON change_leg (next_attempt_at) WHERE ended_at IS NULL;

-- The story of a change, one row a step; append-only.
CREATE TABLE change_step (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    change_id text NOT NULL REFERENCES change,
    leg       text NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    step      text NOT NULL,
    state     text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX change_step_change ON change_step (change_id, id);

-- Every write to Stripe: key and body are committed here before the first byte leaves.
CREATE TABLE stripe_call (
    key               text PRIMARY KEY CHECK (length(key) <= 255),
    subject_id        text NOT NULL,          -- the change, account or catalog push that it serves
    step              text NOT NULL,
    method            text NOT NULL CHECK (method IN ('POST', 'DELETE')),
    path              text NOT NULL,
    params            jsonb NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    first_sent_at     timestamptz,
    last_sent_at      timestamptz,
    sends             integer NOT NULL DEFAULT 0,
    answered_at       timestamptz,
    http_status       integer,
    stripe_request_id text,
    error_code        text,
    CHECK ((answered_at IS NULL) = (http_status IS NULL)),
    CHECK ((first_sent_at IS NULL) = (sends = 0))
);
CREATE INDEX stripe_call_subject ON stripe_call (subject_id, created_at);

-- One token row for all processes together: calls per second to Stripe.
CREATE TABLE stripe_rate (
    id          integer PRIMARY KEY CHECK (id = 1),
    tokens      double precision NOT NULL,
    refilled_at timestamptz NOT NULL
);
INSERT INTO stripe_rate VALUES (1, 0, now());

-- The catalog's prices as they exist at Stripe. Retired versions stay known for ever.
CREATE TABLE catalog_price (
    lookup_key        text PRIMARY KEY CHECK (length(lookup_key) <= 200),
    slot              text NOT NULL,
    version           integer NOT NULL CHECK (version > 0),
    stripe_price_id   text NOT NULL UNIQUE,
    stripe_product_id text NOT NULL,
    unit_amount_minor bigint NOT NULL CHECK (unit_amount_minor > 0),
    currency          text NOT NULL,
    sold_now          boolean NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    UNIQUE (slot, version)
);
CREATE UNIQUE INDEX catalog_price_sold_now ON catalog_price (slot) WHERE sold_now;

CREATE TABLE api_key (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    key_hash     bytea NOT NULL UNIQUE,
    roles        text[] NOT NULL CHECK (roles <@ ARRAY['automation', 'support', 'finance', 'oncall']),
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);

-- Answers to our own callers' Idempotency-Key, per principal.
CREATE TABLE idempotency_answer (
    principal    text NOT NULL,
    key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash bytea NOT NULL,
    status       integer,                    -- null: still in progress
    body         bytea,
    content_type text,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    answered_at  timestamptz,
    PRIMARY KEY (principal, key)
);

-- Where a long-running reader stands (catch-up, sweeps).
CREATE TABLE progress (
    name       text PRIMARY KEY,
    position   jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- What is not self-serve: asked for, decided by support, and confirmed by the admin where it costs money.
CREATE TABLE change_request (
    id                text PRIMARY KEY,
    account_id        text NOT NULL REFERENCES account,
    state             text NOT NULL CHECK (state IN (
        'submitted', 'awaiting_admin_confirm', 'approved', 'declined', 'withdrawn', 'expired')),
    wish              jsonb CHECK (jsonb_typeof(wish) = 'object'),
    cancel            boolean,
    effective         text NOT NULL CHECK (effective IN ('now', 'renewal')),
    reason            text NOT NULL CHECK (length(reason) <= 2000),
    contact_email     text CHECK (length(contact_email) <= 320),
    losses            jsonb NOT NULL,
    actor_id          text NOT NULL,
    decided_by        text,
    decided_at        timestamptz,
    decided_effective text CHECK (decided_effective IN ('now', 'renewal')),
    note              text CHECK (length(note) <= 2000),
    quote_id          text REFERENCES quote,
    change_id         text REFERENCES change,
    expires_at        timestamptz NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((wish IS NULL) = (cancel IS NOT NULL))
);
CREATE INDEX change_request_account ON change_request (account_id, created_at DESC);
CREATE INDEX change_request_listing ON change_request (created_at DESC, id DESC);
CREATE INDEX change_request_expiry ON change_request (expires_at)
    WHERE state IN ('submitted', 'awaiting_admin_confirm');
-- A doubled wish would be decided twice.
CREATE UNIQUE INDEX change_request_one_open ON change_request (account_id)
    WHERE state IN ('submitted', 'awaiting_admin_confirm');

-- What people are told by e-mail: stored with its cause, sent afterwards, once.
CREATE TABLE notice (
    key             text PRIMARY KEY CHECK (length(key) <= 300),
    account_id      text NOT NULL REFERENCES account,
    kind            text NOT NULL,
    recipient       text NOT NULL CHECK (length(recipient) <= 320),
    locale          text NOT NULL CHECK (locale IN ('en', 'fr')),
    data            jsonb NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error      text,
    sent_at         timestamptz,
    given_up_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notice_waiting ON notice (next_attempt_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX notice_account ON notice (account_id, created_at);
