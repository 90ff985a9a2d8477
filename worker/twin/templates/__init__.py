"""Full answers: one template per object, so that no field a client may read is absent.

Field names: annotations of the SDK's classes (stripe 16.1.0); values and nullness as recorded from real
Stripe (pay-rails/pay cassettes, 2025-10-29.clover, flexible account).
"""
