"""Questions about Stripe that the product depends on, asked of a real sandbox account and of the twin."""
