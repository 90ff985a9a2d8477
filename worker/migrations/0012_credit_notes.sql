-- What credit notes took off an invoice: before its payment from what is due, after it from what was paid.

ALTER TABLE stripe_invoice
    ADD COLUMN pre_payment_credit_minor  bigint NOT NULL DEFAULT 0,
    ADD COLUMN post_payment_credit_minor bigint NOT NULL DEFAULT 0;
