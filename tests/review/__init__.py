"""Reproductions from the review of the money path: each fails because of a defect."""
