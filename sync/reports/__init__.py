"""Reports for finance: the same inputs give the same bytes, whoever asks for them and through which door."""
