"""Faults injected into a core that runs a network."""
