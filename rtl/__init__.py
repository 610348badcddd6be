"""Quiesce gateware: the event-driven core, in Amaranth."""
