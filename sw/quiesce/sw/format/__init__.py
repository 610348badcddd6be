"""The shared quantised tensor format: sparse encoding, integer arithmetic, networks and their files.

Modules: ``network`` and ``layer`` (graphs), ``ops`` (what layers compute), ``container`` (files), ``layouts``, ``bitmask`` and
``tensor`` (sparse bytes), ``requantize``, ``geometry`` (windows), ``checks`` (limits), ``errors``.
"""
