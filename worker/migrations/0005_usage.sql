-- What each account's use was last told to stand at, so that a crossing is told once and not with every report.

CREATE TABLE usage_level (
    account_id     text NOT NULL REFERENCES account,
    dimension      text NOT NULL CHECK (dimension IN ('contacts', 'seats')),
    measured_limit integer NOT NULL CHECK (measured_limit > 0),     -- another limit starts afresh
    percent        integer NOT NULL CHECK (percent IN (0, 80, 90, 100)),
    crossings      bigint NOT NULL DEFAULT 0 CHECK (crossings >= 0), -- so many were told
    PRIMARY KEY (account_id, dimension)
);

-- The decreases that wait for their renewal: looked through for those that no longer fit the use.
CREATE INDEX change_leg_promised ON change_leg (account_id) WHERE leg = 'at_renewal' AND state = 'scheduled';
