-- What holds outgoing writes back: the stop switch, parked accounts, and the fuse of each subscription.

-- A row while writes are stopped: one for all accounts together, and one for each account by itself.
CREATE TABLE write_stop (
    account_id text REFERENCES account,       -- null: all of them
    actor      text NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    reason     text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    stopped_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (account_id)
);

-- Who moved which switch, when and why; append-only.
CREATE TABLE switch_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    act        text NOT NULL CHECK (act IN ('stop', 'go', 'park', 'unpark')),
    account_id text REFERENCES account,       -- null: all of them
    actor      text NOT NULL,
    reason     text NOT NULL
);
CREATE INDEX switch_log_account ON switch_log (account_id, at);

-- Parked accounts are few among many.
CREATE INDEX account_parked ON account (id) WHERE parked_at IS NOT NULL;

-- What a quote says although it can be confirmed.
ALTER TABLE quote ADD COLUMN warnings jsonb NOT NULL DEFAULT '[]';

-- The fuse counts what was sent to one subscription lately.
CREATE INDEX stripe_call_sent_to ON stripe_call (path, created_at) WHERE step = 'send';
