"""Soak: random networks on random cores, bit for bit, with coverage."""
