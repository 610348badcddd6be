"""Cell libraries: a Liberty file goes in; a ``Library`` comes out, whose cells have functions, areas, delays and
energies in fixed units.

The syntax is read with the line of each entry (``syntax``), then cells are built from its groups (``reader``) into ``library``.
"""
