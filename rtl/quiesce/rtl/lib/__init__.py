"""Memories, codes, FIFOs, layouts and helpers that all parts share."""
