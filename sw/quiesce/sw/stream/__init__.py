"""Streams: items computed one after the other, of which only what changed is sent on (docs/reference/arithmetic.md)."""

from quiesce.sw.format.changes import delta_maps
from quiesce.sw.stream.delta_input import DeltaInput
from quiesce.sw.stream.reference import SequenceResult, StreamCounts, StreamItem, StreamReference, run_sequences
from quiesce.sw.stream.search import LADDER, Quality, accuracy, choose_delta_thresholds, closeness, with_delta_thresholds
from quiesce.sw.stream.work import change_events, saved_macs

__all__ = [
    "LADDER", "DeltaInput", "Quality", "SequenceResult", "StreamCounts", "StreamItem", "StreamReference", "accuracy",
    "change_events", "choose_delta_thresholds", "closeness", "delta_maps", "run_sequences", "saved_macs", "with_delta_thresholds",
]  # fmt: skip
