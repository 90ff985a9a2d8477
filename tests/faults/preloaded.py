"""What every forked process of ours has in its memory already; imported once, by the one they come from."""

from __future__ import annotations

import gc

import stripe

import tests.faults.workers
import worker.app
import worker.config
import worker.logs

# Made on first use, from modules that cost as much as a whole start.
stripe.StripeClient("sk_test_preloaded", http_client=stripe.AIOHTTPClient())
# Whoever walks through all of this in a child would copy every page of it.
gc.freeze()

__all__ = ["tests", "worker"]
