"""Configuration of a core: the one parameter object shared by the RTL generator, the compiler and co-simulation."""

from dataclasses import asdict, dataclass, replace

__all__ = ["MAX_WEIGHT_WORDS", "ConfigError", "CoreConfig", "PRESETS", "preset"]

MAX_WEIGHT_WORDS = 1 << 16
"""Most packed weight words of a PE: indices travel in 16 bits."""


class ConfigError(ValueError):
    """A core configuration that cannot be built; the message names the field and the allowed values."""


def _power_of_two(value: int) -> bool:
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True, kw_only=True)
class CoreConfig:
    """Generator parameters of a core.

    Parameters
    ----------
    n_cores : int
        Cores, 1..8, each with all of the below but the bus, which they share.
    n_pes : int
        Processing elements of a core, 1..64. PE ``n`` owns the output channels ``o`` with ``(o // n_lanes) % n_pes == n``.
    n_lanes : int
        Output channels that one PE computes in lock-step: 1, 2, 4 or 8. One lane exploits unstructured weight sparsity fully.
    data_width : int
        AXI4 data bus, bits: 64 or 128. Also the row width of the weight memories.
    addr_width : int
        AXI4 byte address, bits: 20..32.
    acc_width : int
        Accumulator, bits: 16..32, signed. The compiler proves for every layer that it cannot overflow.
    acc_depth : int
        Accumulator words (of ``n_lanes`` partial sums) per PE, a power of two, 16..65536.
    psum_depth : int
        Partial sums that a PE holds in registers in front of its accumulators, a power of two, 4..64, below ``acc_depth``. The
        compiler keeps the partial sums that the events of one pixel touch within it where that costs no cycles.
    mask_width : int
        Weight-mask word, bits: 16, 32 or 64: the partial sums that one event can touch in a PE.
    mask_depth : int
        Weight-mask words per PE, 8..65536.
    weight_depth : int
        Rows of ``data_width`` bits of packed weights per PE, at least 8 and at most 65536 weights of 8 bits per lane.
    detector_width : int
        Activations examined per cycle by the nonzero detector: 16, 32 or 64; at most ``data_width``.
    event_fifo_depth, context_fifo_depth : int
        Events and pixel contexts that a PE may lag behind the detector, 2..64.
    post_units : int
        Requantisation units, a power of two dividing ``n_pes * n_lanes``, at most 8.
    param_depth : int
        Output channels whose bias, multiplier and shift are held on chip, from the lanes of a core up to 65536, at least 16.
    act_depth : int
        Rows of ``data_width`` bits in the activation value buffer and in the mask buffer, a power of two, 64..4096.
    max_cols : int
        Widest input map, columns, 8..4096.
    winner_depth : int
        Channels whose maxima are kept for winners-take-all, a power of two, 64..4096; those of all planes of maps that are needed
        at the same time, each plane rounded up to ``detector_width``. At least twice that, or 0: no such unit.
    state_depth : int
        Outputs whose sums and last sent values are kept between items, a power of two from 64 on, at most 65536 times
        ``post_units``; or 0: every item is computed from nothing.
    max_layers : int
        Layers with counters of their own, a power of two, 2..256.
    zero_skipping : int
        1; or 0 for a plain dense core, the baseline that shows what event logic costs: PEs in lock-step multiply every
        activation with every weight, with neither masks nor FIFOs. ``mask_depth``, ``detector_width`` and the depths of the
        FIFOs then mean nothing.
    ram_check : int
        What protects the words of all RAMs: 0 nothing, 1 a parity bit that stops the core when a damaged word is read, 2 a code
        that corrects single errors and stops it on double ones.
    record_check : int
        1: row records in memory carry checks of their masks and of their values, and a damaged record stops the core; else 0.
    """

    n_cores: int = 1
    n_pes: int = 16
    n_lanes: int = 1
    data_width: int = 64
    addr_width: int = 32
    acc_width: int = 24
    acc_depth: int = 512
    psum_depth: int = 16
    mask_width: int = 32
    mask_depth: int = 256
    weight_depth: int = 1024
    detector_width: int = 32
    event_fifo_depth: int = 16
    context_fifo_depth: int = 4
    post_units: int = 4
    param_depth: int = 512
    act_depth: int = 128
    max_cols: int = 256
    winner_depth: int = 0
    state_depth: int = 0
    max_layers: int = 64
    zero_skipping: int = 1
    ram_check: int = 0
    record_check: int = 0

    def __post_init__(self) -> None:
        for field, value in asdict(self).items():
            if not isinstance(value, int) or isinstance(value, bool):
                raise ConfigError(f"{field}: {value!r} is not an integer")
        ranges = {
            "n_cores": (1, 8), "n_pes": (1, 64), "addr_width": (20, 32), "acc_width": (16, 32), "acc_depth": (16, 65536),
            "mask_depth": (8, 65536), "weight_depth": (8, 65536), "event_fifo_depth": (2, 64),
            "context_fifo_depth": (2, 64), "param_depth": (16, 65536), "act_depth": (64, 4096),
            "max_cols": (8, 4096), "max_layers": (2, 256),
        }  # fmt: skip
        for field, (low, high) in ranges.items():
            if not low <= getattr(self, field) <= high:
                raise ConfigError(f"{field}: {getattr(self, field)} is not in {low}..{high}")
        choices = {
            "n_lanes": (1, 2, 4, 8), "data_width": (64, 128), "mask_width": (16, 32, 64),
            "detector_width": (16, 32, 64), "post_units": (1, 2, 4, 8), "psum_depth": (4, 8, 16, 32, 64),
            "winner_depth": (0, 64, 128, 256, 512, 1024, 2048, 4096), "zero_skipping": (0, 1),
            "ram_check": (0, 1, 2), "record_check": (0, 1),
        }  # fmt: skip
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise ConfigError(f"{field}: {getattr(self, field)} is not one of {', '.join(map(str, allowed))}")
        if self.detector_width > self.data_width:
            raise ConfigError(f"detector_width: {self.detector_width} exceeds data_width {self.data_width}")
        if self.winner_depth and self.winner_rows < 2:
            raise ConfigError(f"winner_depth: {self.winner_depth} is below twice detector_width {self.detector_width}")
        if self.winner_depth and not self.zero_skipping:
            raise ConfigError(f"winner_depth: {self.winner_depth} needs zero_skipping, which leaves the losers out")
        if self.record_check and not self.zero_skipping:
            raise ConfigError(f"record_check: {self.record_check} needs zero_skipping: dense records have no room for a check")
        if self.state_depth and not (64 <= self.state_depth <= 65536 * self.post_units and _power_of_two(self.state_depth)):
            raise ConfigError(f"state_depth: {self.state_depth} is neither 0 nor a power of two in 64..{65536 * self.post_units}")
        if self.state_depth and not self.zero_skipping:
            raise ConfigError(f"state_depth: {self.state_depth} needs zero_skipping, which leaves out what has not changed")
        for field in ("acc_depth", "act_depth", "max_layers"):
            if not _power_of_two(getattr(self, field)):
                raise ConfigError(f"{field}: {getattr(self, field)} is not a power of two")
        if (self.n_pes * self.n_lanes) % self.post_units:
            raise ConfigError(f"post_units: {self.post_units} does not divide the {self.n_pes * self.n_lanes} lanes")
        if self.param_depth < self.lanes:
            raise ConfigError(f"param_depth: {self.param_depth} is below the {self.lanes} lanes, a group of output channels")
        if self.psum_depth >= self.acc_depth:
            raise ConfigError(f"psum_depth: {self.psum_depth} is not below acc_depth {self.acc_depth}")
        if self.weight_depth * self.words_per_row(8) > MAX_WEIGHT_WORDS:
            raise ConfigError(f"weight_depth: {self.weight_depth} rows hold more than {MAX_WEIGHT_WORDS} weight words")

    @property
    def lanes(self) -> int:
        """Multipliers in the array of one core."""
        return self.n_pes * self.n_lanes

    @property
    def total_lanes(self) -> int:
        """Multipliers of all cores."""
        return self.n_cores * self.lanes

    @property
    def single_pe_events(self) -> bool:
        """Events can be sent to the one PE that owns a channel: its number is cut from the channel's bits."""
        return _power_of_two(self.lanes)

    @property
    def beat_bytes(self) -> int:
        """Bytes in one bus beat."""
        return self.data_width // 8

    @property
    def checked_beat(self) -> int:
        """Bytes of the beats of row records with checks; 0 without."""
        return self.beat_bytes if self.record_check else 0

    @property
    def masks_ahead(self) -> int:
        """Records whose masks a core may request before the values of the first of them: cores share the bus, and what one asks
        for long before it is needed holds up the others."""
        return max(4, 16 // self.n_cores)

    @property
    def winner_rows(self) -> int:
        """Rows of ``detector_width`` channels in the memories of winners-take-all."""
        return self.winner_depth // self.detector_width

    @property
    def state_rows(self) -> int:
        """Rows of ``post_units`` outputs in the state memory."""
        return self.state_depth // self.post_units

    @property
    def operand_width(self) -> int:
        """Bits of an activation in the array, signed: one more than in memory for the change between two activations."""
        return 9 if self.state_depth else 8

    @property
    def product_width(self) -> int:
        """Bits of the product of an activation and a weight, signed; with 8 bits each, -127..127, 16."""
        return self.operand_width + 8

    def words_per_row(self, bits: int) -> int:
        """Weight words (of ``n_lanes`` weights of ``bits`` each) in one row of the weight memory."""
        return self.data_width // (bits * self.n_lanes)

    @property
    def weight_widths(self) -> tuple[int, ...]:
        """Bits per stored weight that the core supports: those at which every word of the memory has an index."""
        return tuple(bits for bits in (2, 4, 8) if self.weight_depth * self.words_per_row(bits) <= MAX_WEIGHT_WORDS)

    @property
    def weight_index_width(self) -> int:
        """Bits of the index of a packed weight word."""
        return (self.weight_depth * self.words_per_row(min(self.weight_widths)) - 1).bit_length()

    @property
    def params_per_row(self) -> int:
        """Channels in one row of the parameter memory (one per post-processing unit)."""
        return self.post_units

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


PRESETS: dict[str, CoreConfig] = {
    # Smallest sensible core: for students, FPGAs of the hobby class and fast unit tests.
    "tiny": CoreConfig(n_pes=4, acc_depth=256, mask_depth=512, weight_depth=2048, post_units=1, param_depth=1024),
    # The reference: 16 lanes, memories that keep all of LeNet-5 resident, and outputs of a pixel in two cycles, so that layers of
    # a few events per pixel do not wait for them.
    "base": CoreConfig(post_units=8),
    # The same without any zero-skipping: what a sparse figure is to be compared with in area and energy.
    "plain": CoreConfig(post_units=8, zero_skipping=0),
    # Frames of a stream: the sums and last sent values of 16,384 outputs stay between items, and only changes are computed. The
    # weights of such networks stay, too: changes leave too little work to load them behind.
    "stream": CoreConfig(post_units=8, state_depth=16384, mask_depth=512),
    # 128 lanes on a 128-bit bus, blocks of four output channels.
    "wide": CoreConfig(n_pes=32, n_lanes=4, data_width=128, post_units=8, acc_depth=1024, mask_depth=512, param_depth=2048),
}


def preset(name: str, **overrides: int) -> CoreConfig:
    """The named preset with some fields replaced.

    Raises
    ------
    ConfigError
        Unknown preset or field, or a value out of range.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset: {name!r} is not one of {', '.join(PRESETS)}")
    unknown = set(overrides) - set(CoreConfig.__dataclass_fields__)
    if unknown:
        raise ConfigError(f"{sorted(unknown)[0]}: no such configuration field")
    return replace(PRESETS[name], **overrides)
