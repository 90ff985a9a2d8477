"""Seeds that once failed, and why: they are run for ever.

A seed's story moves when the rules of the machine do, so what it found has a test of its own as well.
"""

MACHINE = {
    112: "a first purchase that was read back after its renewal was compared with the renewal's invoice",
    159: "the same, with another card",
    78: "a payment that nobody confirms ends only when Stripe drops it",
    145: "an event that is older than Stripe's list is found by a sweep alone",
}
