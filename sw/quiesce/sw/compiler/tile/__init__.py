"""Tiling: convolutions of whole layers in, tiles that fit a core out.

``strips`` and ``pieces`` cut what is too wide or has too large a kernel, ``partition`` shares a layer among cores, ``mapping``
says how a tile lies in the PEs (with ``packing`` its weights), ``tiling`` cuts a layer, ``network_tiling`` all of them, guided
by the cycles of ``estimate``.
"""
