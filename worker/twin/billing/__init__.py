"""What Stripe Billing does: prices, periods, prorations, invoices, payments, renewals, schedules."""
