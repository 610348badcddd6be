"""Lowering: a network in, what the core computes of it out.

``balance`` gives channels an order that keeps all PEs busy; ``convolution`` sees each layer as convolutions of its inputs, as its
operator says, and ``axis`` does their window arithmetic. Nothing here knows of memories.
"""
