"""From trained torch modules to quantised networks: integer arithmetic, quantisation-aware training (needs torch)."""

from quiesce.sw.quant.delta_search import DeltaSearch
from quiesce.sw.quant.errors import CalibrationError, PrecisionWarning, QuantizeError, UnsupportedOperationError
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.quant.forward import QuantizedModule, quantized_forward
from quiesce.sw.quant.qat import QatModule, prepare
from quiesce.sw.quant.quantize import quantize
from quiesce.sw.quant.widths import Widths
from quiesce.sw.quant.winners import Feature, WinnerReLU

__all__ = [
    "CalibrationError", "DeltaSearch", "FatReLU", "Feature", "PrecisionWarning", "QatModule", "QuantizeError", "QuantizedModule",
    "UnsupportedOperationError", "Widths", "WinnerReLU", "prepare", "quantize", "quantized_forward",
]  # fmt: skip
