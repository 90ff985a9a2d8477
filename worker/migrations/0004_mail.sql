-- E-mail: since when a notice is tried, and keys that have room for the longest address.
ALTER TABLE notice ADD COLUMN first_attempt_at timestamptz;
ALTER TABLE notice DROP CONSTRAINT notice_key_check;
ALTER TABLE notice ADD CONSTRAINT notice_key_check CHECK (length(key) <= 500);
CREATE INDEX notice_newest ON notice (created_at, key);
CREATE INDEX notice_given_up ON notice (created_at, key) WHERE given_up_at IS NOT NULL;
