"""A pairwise covering array over every change that the business rules know.

factors   what a case is made of, and which values cannot meet (pure)
array     the greedy array: every pair that can be, in as few cases as is cheap to find (pure)
wishes    a case's terms before, its wish, and what the rules of the business say about it (pure)
arithmetic  the lines and totals that a change must have, from Stripe's documentation (pure)
stage     the calendar, and accounts made at the local Stripe in the case's state
roads     asking: quote and confirm, or change request, approval and the admin's confirm
checks    what must be true after the answer, and after the renewal
"""
