"""Data sets as plain numpy arrays; nothing here needs torch."""
