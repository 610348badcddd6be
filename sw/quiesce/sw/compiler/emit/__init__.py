"""Emission: scheduled passes in, the bytes of a program out.

``passes`` (with ``winner_fields``) describes a pass, ``loading`` its weights and parameters, ``body`` puts them in the order of
an item, ``packets`` writes them as the contract of ``quiesce.spec.isa`` says.
"""
