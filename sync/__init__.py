"""The billing: what an account bought, what Stripe bills, and the road between the two."""
