"""The renewal leg: what was promised for the next period, kept as a subscription schedule at Stripe.

    handover   one promise takes over from another, in the transaction that makes it
    phases     the schedule that a promise needs, computed from what is at Stripe (pure)
    calls      writes that charge nothing, each under its stored key
    place      confirmed -> scheduled: the schedule has the promise as its next phase
    watch      scheduled -> applied: guarded until the renewal, then read back
    finish     applied -> settled: the spent schedule is let go, the renewal's invoice is compared
    release    a promise that was taken back or missed: the schedule goes, the subscription stays as it is

    standing   everything a step decides on, read at once
    ownership  which schedule is ours
    guard      the looks before the renewal, and what a renewal without the promise means
    risk       telling people that a promise may be missed

Every step reads what is there, compares, and writes only what is missing: a step that was done twice, or by
a process that died in the middle, ends in the same place. Source: Stripe docs "Subscription schedules".
"""
