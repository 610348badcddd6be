"""Streams: items computed one after the other, of which only what changed is sent on (docs/reference/arithmetic.md)."""

from quiesce.sw.stream.delta_input import DeltaInput
from quiesce.sw.stream.reference import SequenceResult, StreamCounts, StreamItem, StreamReference, delta_maps, run_sequences
from quiesce.sw.stream.search import LADDER, Quality, accuracy, choose_delta_thresholds, with_delta_thresholds

__all__ = [
    "LADDER", "DeltaInput", "Quality", "SequenceResult", "StreamCounts", "StreamItem", "StreamReference", "accuracy",
    "choose_delta_thresholds", "delta_maps", "run_sequences", "with_delta_thresholds",
]  # fmt: skip
