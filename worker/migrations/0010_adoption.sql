-- Existing subscriptions that were looked at to be taken over: the last outcome of each. `id` is what
-- account_terms names as the cause of the terms that an adoption began.

CREATE TABLE adoption (
    subscription_id text PRIMARY KEY,
    id              text NOT NULL UNIQUE,
    customer_id     text NOT NULL,
    outcome         text NOT NULL CHECK (outcome IN ('adopted', 'refused', 'gone')),
    account_id      text REFERENCES account,  -- null: nothing was written for it
    reasons         jsonb NOT NULL CHECK (jsonb_typeof(reasons) = 'array'),
    remarks         jsonb NOT NULL CHECK (jsonb_typeof(remarks) = 'array'),
    items           jsonb NOT NULL CHECK (jsonb_typeof(items) = 'array'),
    terms           jsonb,
    first_tried_at  timestamptz NOT NULL DEFAULT now(),
    decided_at      timestamptz NOT NULL DEFAULT now(),
    CHECK ((outcome = 'adopted') = (account_id IS NOT NULL)),
    CHECK ((outcome = 'adopted') = (terms IS NOT NULL))
);
CREATE INDEX adoption_refused ON adoption (subscription_id) WHERE outcome = 'refused';
CREATE INDEX adoption_account ON adoption (account_id) WHERE account_id IS NOT NULL;

-- A price that an adopted subscription brought along is a version of its slot that is never sold. Such
-- versions count from 1,000,001, where those that are pushed never come.
CREATE FUNCTION adopt_price(
    slot_key text, own_key text, own_version integer, price_id text, product_id text, amount bigint,
    price_currency text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    next_version integer;
BEGIN
    -- Two adoptions at once would both take the same number.
    PERFORM pg_advisory_xact_lock(hashtext('adopt_price'));
    IF EXISTS (SELECT FROM catalog_price WHERE stripe_price_id = price_id) THEN
        RETURN false;
    END IF;
    IF own_key IS NULL OR EXISTS (SELECT FROM catalog_price WHERE lookup_key = own_key) THEN
        SELECT greatest(max(version), 1000000) + 1 INTO next_version FROM catalog_price WHERE slot = slot_key;
        own_version := next_version;
        own_key := slot_key || ':v' || next_version;
    END IF;
    INSERT INTO catalog_price
           (lookup_key, slot, version, stripe_price_id, stripe_product_id, unit_amount_minor, currency, sold_now)
    VALUES (own_key, slot_key, own_version, price_id, product_id, amount, price_currency, false);
    RETURN true;
END
$$;
