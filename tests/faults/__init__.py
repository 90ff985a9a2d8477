"""Real processes, killed by real signals; the local Stripe's ledger is the judge."""
