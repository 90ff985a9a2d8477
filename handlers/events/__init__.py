"""One file for each family of Stripe's events; none of them knows the others."""
