-- What a person had done about a finding. A repair never charges or credits.

CREATE TABLE repair (
    id              text PRIMARY KEY,
    finding_id      text NOT NULL REFERENCES finding,
    account_id      text REFERENCES account,  -- null: no account of ours was touched
    side            text NOT NULL CHECK (side IN ('ours', 'stripe', 'refresh')), -- whose state wins
    actor           text NOT NULL CHECK (length(actor) BETWEEN 1 AND 200),
    reason          text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    call_key        text UNIQUE REFERENCES stripe_call, -- what is sent for it; null: nothing is
    outcome         text CHECK (outcome IN ('repaired', 'failed')), -- null: under way
    detail          text,                     -- why it waits, or how it ended
    expires_at      timestamptz NOT NULL,     -- nothing of it leaves after this
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    fence           bigint NOT NULL DEFAULT 0,
    leased_until    timestamptz NOT NULL DEFAULT '-infinity',
    created_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CHECK (ended_at IS NOT NULL OR (account_id IS NOT NULL AND call_key IS NOT NULL))
);
-- One at a time, and never beside a change: whoever confirms one asks for this row, and the other way round.
CREATE UNIQUE INDEX repair_one_open ON repair (account_id) WHERE ended_at IS NULL;
CREATE INDEX repair_due ON repair (next_attempt_at) WHERE ended_at IS NULL;
CREATE INDEX repair_finding ON repair (finding_id, created_at);
