"""One module per group of Stripe resources: parameters in, API objects out."""
