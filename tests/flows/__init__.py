"""User stories from intent to settled, over real PostgreSQL and the local Stripe; one file per story."""
