-- What reconciliation found: intent, mirror and Stripe disagree. One row for each disagreement, however often
-- it is seen.

CREATE TABLE finding (
    id              text PRIMARY KEY,
    kind            text NOT NULL CHECK (length(kind) BETWEEN 1 AND 60),
    severity        text NOT NULL CHECK (severity IN ('notice', 'warning', 'critical')),
    account_id      text REFERENCES account,  -- null: no account of ours is concerned, or known
    object_id       text NOT NULL,            -- Stripe's: the subscription, schedule, invoice or customer
    about           text NOT NULL DEFAULT '', -- the part of it: an item, a role, a field
    expected        jsonb NOT NULL DEFAULT 'null',
    found           jsonb NOT NULL DEFAULT 'null',
    state           text NOT NULL CHECK (state IN ('open', 'accepted', 'repairing', 'repaired', 'gone')),
    first_seen_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at    timestamptz NOT NULL DEFAULT now(),
    times_seen      bigint NOT NULL DEFAULT 1 CHECK (times_seen > 0),
    decided_by      text,                     -- who accepted or repaired it
    reason          text CHECK (length(reason) <= 2000),
    decided_at      timestamptz,
    closed_at       timestamptz,
    CHECK ((closed_at IS NOT NULL) = (state IN ('repaired', 'gone')))
);
-- Seen again, a disagreement grows older; it does not become a second one. What was accepted stays accepted
-- for as long as it stays the same.
CREATE UNIQUE INDEX finding_one_open ON finding (kind, object_id, about) WHERE closed_at IS NULL;
CREATE INDEX finding_account ON finding (account_id, first_seen_at) WHERE account_id IS NOT NULL;
CREATE INDEX finding_object ON finding (object_id);
CREATE INDEX finding_listing ON finding (first_seen_at DESC, id DESC);
CREATE INDEX finding_waiting ON finding (kind) WHERE state IN ('open', 'repairing');
CREATE INDEX finding_unseen ON finding (id) WHERE closed_at IS NULL;

-- Where a read of the sweep showed something else than the mirror held. An event about it may be on its way:
-- only what none has explained by `due_at` becomes a finding.
CREATE TABLE mirror_sighting (
    object_id  text PRIMARY KEY,
    account_id text REFERENCES account,
    expected   jsonb NOT NULL,                -- what Stripe showed, by column
    found      jsonb NOT NULL,                -- what the mirror held
    seen_at    timestamptz NOT NULL DEFAULT now(),
    due_at     timestamptz NOT NULL
);
CREATE INDEX mirror_sighting_due ON mirror_sighting (due_at);

-- The sweep asks for what may still change, and for invoices that neither a renewal nor a first purchase made.
CREATE INDEX stripe_subscription_living ON stripe_subscription (id)
    WHERE status NOT IN ('canceled', 'incomplete_expired');
CREATE INDEX stripe_schedule_living ON stripe_subscription_schedule (id) WHERE status IN ('active', 'not_started');
CREATE INDEX stripe_invoice_unpaid ON stripe_invoice (id) WHERE status IN ('draft', 'open');
CREATE INDEX stripe_invoice_unusual ON stripe_invoice (id)
    WHERE billing_reason NOT IN ('subscription_cycle', 'subscription_create', 'subscription_threshold');
CREATE INDEX stripe_object_gone ON stripe_object (id) WHERE deleted_at IS NOT NULL;
