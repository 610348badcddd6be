"""Quiesce software: tensor format, integer reference, compiler, training (torch is imported only by the training side)."""
