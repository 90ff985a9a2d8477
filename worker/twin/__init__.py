"""The twin: a local Stripe for development and tests, an independent witness of what Prorata bills."""
