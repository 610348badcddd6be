"""Benches: figures of the core that are compared with targets, one bench a file."""
