"""Reconcile: intent, mirror and Stripe compared, and what differs made known, repaired or accepted."""
