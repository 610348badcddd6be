"""Benches: figures of the core and of training that are compared with targets, one bench a file."""
