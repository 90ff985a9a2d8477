-- Who did what, when and by which door: append-only, and chained by hashes, for each account by itself.
-- One chain for all would make every writer wait for every other one.

CREATE TABLE audit_log (
    chain    text NOT NULL CHECK (length(chain) <= 200), -- the account; '' is what concerns all accounts
    seq      bigint NOT NULL CHECK (seq > 0),
    at       timestamptz NOT NULL,
    act      text NOT NULL CHECK (length(act) BETWEEN 1 AND 60),
    actor    text NOT NULL,
    role     text,
    door     text NOT NULL,
    key_id   text,                            -- of the API key that was used
    detail   jsonb NOT NULL CHECK (jsonb_typeof(detail) = 'object'),
    previous bytea NOT NULL CHECK (length(previous) = 32), -- the hash of the row before; zeros in the first
    hash     bytea NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (chain, seq)
);

-- The newest row of each chain: locked by whoever appends, after everything else that a transaction locks.
CREATE TABLE audit_head (
    chain    text PRIMARY KEY,
    seq      bigint NOT NULL,
    previous bytea NOT NULL,
    hash     bytea NOT NULL
);

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_log_is_not_emptied BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_goes_forward BEFORE UPDATE ON audit_head
    FOR EACH ROW WHEN (NEW.chain <> OLD.chain OR NEW.seq <> OLD.seq + 1 OR NEW.previous <> OLD.hash)
    EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_is_not_emptied BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- Superseded: the switches are acts like the others.
DROP TABLE switch_log;
