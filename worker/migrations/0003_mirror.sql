-- Every event that came in, and our copy of Stripe. Times named *_unix are Stripe's own seconds.

-- The inbox keeps each verified body byte for byte: NUL and broken UTF-8 exist, so never text or jsonb.
-- Events are kept longer than the 35 days in which Stripe may list or resend them, so that none is
-- applied twice; the range of `created` is the unit of both search and disposal.
CREATE TABLE inbox (
    id          text NOT NULL CHECK (length(id) BETWEEN 1 AND 255),
    created     bigint NOT NULL,              -- the event's own second, not ours
    type        text NOT NULL,
    api_version text,
    livemode    boolean,
    account     text,                         -- set when the event is of another (connected) account
    object_id   text,
    customer_id text,
    body        bytea NOT NULL,
    source      text NOT NULL CHECK (source IN ('webhook', 'catch_up')),
    received_at timestamptz NOT NULL DEFAULT now(),
    state       text NOT NULL DEFAULT 'waiting'
                CHECK (state IN ('waiting', 'finished', 'ignored', 'buried')),
    attempts    integer NOT NULL DEFAULT 0,   -- single tries only; a failed batch counts for nobody
    retry_at    timestamptz,
    last_error  text,
    finished_at timestamptz,
    PRIMARY KEY (created, id),
    CHECK ((state = 'waiting') = (finished_at IS NULL))
) PARTITION BY RANGE (created);
-- The backlog and the dead stay small however long the history grows.
CREATE INDEX inbox_waiting ON inbox (created, id) WHERE state = 'waiting';
CREATE INDEX inbox_retry ON inbox (retry_at) WHERE state = 'waiting' AND attempts > 0;
CREATE INDEX inbox_buried ON inbox (created, id) WHERE state = 'buried';
CREATE INDEX inbox_object ON inbox (object_id, created) WHERE object_id IS NOT NULL;
CREATE INDEX inbox_customer ON inbox (customer_id, created) WHERE customer_id IS NOT NULL;

-- lz4 halves the price of storing a body; a server built without it keeps its default.
DO $$
BEGIN
    ALTER TABLE inbox ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;

-- Odd times (an event from 1970, a clock far in the future) must not be refused.
CREATE TABLE inbox_default PARTITION OF inbox DEFAULT;

-- Make the monthly partitions from the month of `from_time` on; those that exist are left alone. Rows that
-- had to wait in the default partition are moved. Returns the number of partitions made.
CREATE FUNCTION ensure_inbox_partitions(from_time timestamptz, months integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    first_month timestamp := date_trunc('month', from_time AT TIME ZONE 'UTC');
    month_start timestamp;
    low         bigint;
    high        bigint;
    part        text;
    made        integer := 0;
BEGIN
    -- Two processes that start together would both try to make the same partition.
    PERFORM pg_advisory_xact_lock(hashtext('ensure_inbox_partitions'));
    FOR step IN 0 .. months - 1 LOOP
        month_start := first_month + make_interval(months => step);
        part := 'inbox_' || to_char(month_start, 'YYYY_MM');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        low := extract(epoch FROM month_start AT TIME ZONE 'UTC')::bigint;
        high := extract(epoch FROM (month_start + interval '1 month') AT TIME ZONE 'UTC')::bigint;
        EXECUTE format('CREATE TABLE %I (LIKE inbox INCLUDING ALL)', part);
        EXECUTE format('WITH moved AS (DELETE FROM inbox_default WHERE created >= %s AND created < %s '
                       'RETURNING *) INSERT INTO %I SELECT * FROM moved', low, high, part);
        EXECUTE format('ALTER TABLE inbox ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', part, low, high);
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
SELECT ensure_inbox_partitions(now() - interval '2 months', 6);

-- One head row for each object of Stripe that we ever heard of. Whoever writes an object, or one of its
-- children, holds the lock on this row; heads are locked in order of id.
CREATE TABLE stripe_object (
    id              text PRIMARY KEY,
    kind            text NOT NULL CHECK (kind IN ('customer', 'subscription', 'invoice', 'price', 'product',
                                                  'charge', 'payment_intent', 'invoice_payment',
                                                  'subscription_schedule')),
    seen_from_unix  bigint,                   -- what we hold was true within these seconds; null: never seen
    seen_to_unix    bigint,
    source_event_id text,                     -- the stored event that we hold; null: a read
    linked          boolean NOT NULL DEFAULT false, -- nothing before it within its second can be missing
    revision        bigint NOT NULL DEFAULT 0, -- counts writes: tells whether a read was overtaken
    deleted_at      timestamptz,              -- a tombstone: ids are never used again
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((seen_from_unix IS NULL) = (seen_to_unix IS NULL)),
    CHECK (seen_from_unix <= seen_to_unix)
);

-- The mirror. No foreign keys between Stripe's objects: they arrive in any order, or never.
CREATE TABLE stripe_customer (
    id                        text PRIMARY KEY,
    email                     text,
    name                      text,
    balance_minor             bigint NOT NULL,
    currency                  text,
    delinquent                boolean,
    default_payment_method_id text,
    default_source_id         text,
    test_clock_id             text,
    metadata                  jsonb NOT NULL,
    created_unix              bigint NOT NULL
);

CREATE TABLE stripe_subscription (
    id                        text PRIMARY KEY,
    customer_id               text NOT NULL,
    status                    text NOT NULL,
    currency                  text NOT NULL,
    billing_mode              text NOT NULL,
    collection_method         text NOT NULL,
    latest_invoice_id         text,
    schedule_id               text,
    default_payment_method_id text,
    pending_update_expires_unix bigint,       -- null: no change waits for its payment
    pending_update_metadata   jsonb NOT NULL,
    cancel_at_unix            bigint,
    cancel_at_period_end      boolean NOT NULL,
    canceled_at_unix          bigint,
    ended_at_unix             bigint,
    trial_end_unix            bigint,
    period_start_unix         bigint,         -- of the item that renews first; null: no items
    period_end_unix           bigint,
    collection_paused         boolean NOT NULL,
    automatic_tax             boolean NOT NULL,
    test_clock_id             text,
    metadata                  jsonb NOT NULL,
    created_unix              bigint NOT NULL
);
CREATE INDEX stripe_subscription_customer ON stripe_subscription (customer_id);

CREATE TABLE stripe_subscription_item (
    subscription_id   text NOT NULL,
    position          integer NOT NULL,       -- Stripe's own order
    id                text NOT NULL,
    price_id          text NOT NULL,
    product_id        text NOT NULL,
    lookup_key        text,                   -- as rendered then; a key may move to another price later
    unit_amount_minor bigint,
    currency          text NOT NULL,
    interval          text,
    interval_count    bigint,
    usage_type        text,
    quantity          bigint,                 -- null: metered
    period_start_unix bigint NOT NULL,
    period_end_unix   bigint NOT NULL,
    metadata          jsonb NOT NULL,
    PRIMARY KEY (subscription_id, position)
);

CREATE TABLE stripe_invoice (
    id                          text PRIMARY KEY,
    customer_id                 text,
    subscription_id             text,
    status                      text,
    currency                    text NOT NULL,
    total_minor                 bigint NOT NULL,
    subtotal_minor              bigint NOT NULL,
    amount_due_minor            bigint NOT NULL,
    amount_paid_minor           bigint NOT NULL,
    amount_remaining_minor      bigint NOT NULL,
    starting_balance_minor      bigint NOT NULL,
    ending_balance_minor        bigint,
    tax_minor                   bigint NOT NULL,
    discount_minor              bigint NOT NULL,
    billing_reason              text,
    number                      text,
    hosted_invoice_url          text,
    next_payment_attempt_unix   bigint,
    period_start_unix           bigint NOT NULL,
    period_end_unix             bigint NOT NULL,
    finalized_at_unix           bigint,
    paid_at_unix                bigint,
    voided_at_unix              bigint,
    marked_uncollectible_at_unix bigint,
    created_unix                bigint NOT NULL
);
CREATE INDEX stripe_invoice_customer ON stripe_invoice (customer_id, created_unix);
CREATE INDEX stripe_invoice_subscription ON stripe_invoice (subscription_id, created_unix);

CREATE TABLE stripe_invoice_line (
    invoice_id           text NOT NULL,
    position             integer NOT NULL,    -- Stripe's own order
    id                   text NOT NULL,
    amount_minor         bigint NOT NULL,
    currency             text NOT NULL,
    description          text,
    quantity             bigint,
    period_start_unix    bigint NOT NULL,
    period_end_unix      bigint NOT NULL,
    proration            boolean NOT NULL,
    price_id             text,
    subscription_item_id text,
    tax_minor            bigint NOT NULL,
    discount_minor       bigint NOT NULL,
    PRIMARY KEY (invoice_id, position)
);

CREATE TABLE stripe_price (
    id                text PRIMARY KEY,
    product_id        text NOT NULL,
    currency          text NOT NULL,
    active            boolean NOT NULL,
    unit_amount_minor bigint,
    lookup_key        text,
    interval          text,
    interval_count    bigint,
    usage_type        text,
    billing_scheme    text NOT NULL,
    metadata          jsonb NOT NULL,
    created_unix      bigint NOT NULL
);
CREATE INDEX stripe_price_lookup_key ON stripe_price (lookup_key) WHERE lookup_key IS NOT NULL;

CREATE TABLE stripe_product (
    id           text PRIMARY KEY,
    name         text NOT NULL,
    active       boolean NOT NULL,
    metadata     jsonb NOT NULL,
    created_unix bigint NOT NULL
);

-- Objects to be read again because their order could not be proven. The table is the queue: a wish counts
-- the generation up, and a reader removes the row only while the generation is the one that it claimed.
CREATE TABLE refresh (
    object_id    text PRIMARY KEY,
    kind         text NOT NULL,
    reason       text NOT NULL,
    generation   bigint NOT NULL DEFAULT 1,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    attempts     integer NOT NULL DEFAULT 0,
    last_error   text,
    wished_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_order ON refresh (wished_at, object_id);
