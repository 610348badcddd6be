"""Emission: scheduled passes in, the bytes of a program out.

``describe`` (with ``passes``, ``winner_fields``) describes a pass, ``loading`` loads its weights and parameters, ``body`` puts
them in the order of prologue and item, ``packets`` writes them as the contract of ``quiesce.spec.isa`` says.
"""
