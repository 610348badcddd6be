"""Streams: items computed one after the other, of which only what changed is sent on (docs/reference/arithmetic.md)."""

from quiesce.sw.stream.delta_input import DeltaInput
from quiesce.sw.stream.reference import SequenceResult, StreamCounts, StreamItem, StreamReference, delta_maps, run_sequences

__all__ = ["DeltaInput", "SequenceResult", "StreamCounts", "StreamItem", "StreamReference", "delta_maps", "run_sequences"]
