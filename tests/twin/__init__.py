"""The twin against what is known of Stripe: recorded answers, documented examples, and its own promises."""
