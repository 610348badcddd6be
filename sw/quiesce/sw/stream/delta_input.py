"""The host's side of a stream: which values of a frame are sent to the core, and as what changes."""

import numpy as np
import numpy.typing as npt

from quiesce.sw.format.layer import MapSpec
from quiesce.sw.reference import check_inputs
from quiesce.sw.stream.sending import Acts, check_dilation, check_floor, send

__all__ = ["DeltaInput"]


class DeltaInput:
    """Turns the frames of one stream into changes of what was sent of them, as ``send`` says.

    Parameters
    ----------
    spec : MapSpec
        Of the network's input; its ``delta_threshold`` is what changes have to exceed.
    dilation : int or None
        Noise gate: send whole pixels, those of which a channel changes by more than the threshold, and all within so many rows
        and columns of them. By default each value is sent or held for itself.

    Members
    -------
    sent : what the core has, int8, (rows, cols, chans); None before the first frame

    Raises
    ------
    DtypeError, RangeError
        The dilation is no integer that is not negative.
    """

    def __init__(self, spec: MapSpec, *, dilation: int | None = None):
        check_dilation(dilation)
        self.sent: Acts | None = None
        self._spec, self._dilation = spec, dilation

    def reset(self) -> None:
        """The next frame begins a stream."""
        self.sent = None

    def push(self, frame: Acts, floor: int = 0) -> npt.NDArray[np.int16]:
        """The changes that a frame makes, (rows, cols, chans); of the first one, the frame.

        Parameters
        ----------
        frame : ndarray of int8, shape (rows, cols, chans)
            Within the range of the input.
        floor : int
            Least delta threshold, 0..255, as in register DELTA_THRESHOLD; of no effect where the input has none.

        Raises
        ------
        DtypeError, ShapeError, RangeError
            The frame is not what the network takes; the stream goes on with the next one.
        """
        check_inputs(self._spec, frame, axes=())
        check_floor(floor)
        before, threshold = self.sent, self._spec.delta_threshold
        least = None if threshold is None else max(threshold, floor)
        held = None if before is None else before[None]
        self.sent = send(frame[None, None], held, least, dilation=self._dilation)[0, 0].copy()
        return self.sent.astype(np.int16) - (0 if before is None else before)
