"""What a program means: an unhurried interpreter of its packets, written from docs/reference/ and quiesce.spec.isa alone."""

import numpy as np

from quiesce.spec.isa import HEADER, PARAM_FIELDS, PASS_FIELDS, PASS_WORDS, POSITION_FIELDS, Opcode, Region
from quiesce.sw.format.layouts import channel_pitch, value_pitch
from tests.programs import seal
from tests.sw.format.records import decode_row, encode_row


class Emulator:
    """Runs a program over byte-array regions; ``macs`` counts operations with both operands nonzero per layer.

    A pass runs as late as the core may run it, after the packets up to the next one, which thus must not touch what it uses. And
    it may read of the last pass with outputs only the rows that it awaits, and nothing but row records, each from its start.
    """

    def __init__(self, program):
        config = self.config = program.config
        self.program = program
        self.masks = np.zeros((config.n_pes, config.mask_depth * config.mask_width), bool)
        self.first = np.zeros((config.n_pes, config.mask_depth), int)
        self.weights = np.zeros((config.n_pes, config.weight_depth * config.data_width), bool)  # bits
        self.params = [None] * config.param_depth
        self.acc = np.zeros((config.acc_depth, config.n_pes, config.n_lanes), np.int64)
        self.macs = np.zeros(config.max_layers, np.int64)
        self.maxima = np.random.default_rng(0).integers(0, 128, config.winner_depth)
        self.marks = np.random.default_rng(1).random(config.winner_depth) < 0.5
        self.pending = self.described = None

    def place(self, inputs):
        """Memory before a run."""
        program = self.program
        self.regions = {
            Region.SCRATCH: bytearray(program.scratch_bytes),
            Region.INPUT: bytearray(program.encode_inputs(inputs)),
            Region.OUTPUT: bytearray(program.output_stride * len(inputs)),
        }
        self.watch()

    def watch(self):
        """Remember which pass wrote each byte, and which of its rows it is."""
        self.n_writers = 0  # passes with outputs so far, and barriers
        self.writers = {region: np.zeros((len(data), 2), int) for region, data in self.regions.items()}
        self.records = {region: np.full(len(data), -1) for region, data in self.regions.items()}  # start of each byte's record
        layouts, stride = self.program.input_layout, self.program.input_stride
        inputs = self.records[Region.INPUT].reshape(-1, stride)
        for strip, layout in enumerate(layouts.layouts):
            starts = layouts.offset(strip) + np.arange(layout.map_bytes) // layout.row.row_stride * layout.row.row_stride
            inputs[:, layouts.offset(strip) :][:, : len(starts)] = starts
        inputs += np.where(inputs < 0, 0, np.arange(len(inputs))[:, None] * stride)

    def run(self, inputs):
        program = self.program
        self.place(inputs)
        cut = program.prologue_beats * program.config.beat_bytes
        assert seal(program.image[:cut], self.config) + seal(program.image[cut:], self.config) == program.image
        self.item = 0
        self.execute(program.image[:cut])
        for self.item in range(len(inputs)):
            self.execute(program.image[cut:])
        self.finish()
        return program.decode_outputs(bytes(self.regions[Region.OUTPUT]), len(inputs))

    def execute(self, code):
        config, at = self.config, 0
        size = config.beat_bytes

        def take(n_bytes):
            nonlocal at
            data = code[at : at + n_bytes]
            at += -(-n_bytes // size) * size
            return data

        while at < len(code):
            head = HEADER.unpack(int.from_bytes(take(8), "little"))
            pe, dest, count = head["pe"], head["dest"], head["count"]
            match head["opcode"]:
                case Opcode.MASKS:
                    assert config.zero_skipping
                    bits = np.unpackbits(np.frombuffer(take(count * config.mask_width // 8), np.uint8), bitorder="little")
                    self.masks[pe, dest * config.mask_width :][: len(bits)] = bits
                    words = bits.reshape(count, -1).sum(axis=1)
                    self.first[pe, dest : dest + count] = head["aux"] + np.cumsum(words) - words
                case Opcode.VALUES:
                    bits = np.unpackbits(np.frombuffer(take(count * size), np.uint8), bitorder="little")
                    self.weights[pe, dest * config.data_width :][: len(bits)] = bits
                case Opcode.PARAMS:
                    for i, word in enumerate(np.frombuffer(take(count * 8), np.uint64)):
                        self.params[dest + i] = PARAM_FIELDS.unpack(int(word))
                case Opcode.PASS:
                    words = [int(word) for word in np.frombuffer(take(count * 8), np.uint64)]
                    fields = {}
                    for layout, word in zip(PASS_FIELDS, words, strict=False):
                        fields.update(layout.unpack(word))
                    entries = [word >> shift & 0xFFFFFFFF for word in words[PASS_WORDS:] for shift in (0, 32)]
                    positions = [POSITION_FIELDS.unpack(entry) for entry in entries[: fields["n_positions"]]]
                    assert self.described is None
                    self.described = self.item, fields, positions
                case Opcode.START:
                    self.finish()
                    self.pending, self.described = self.described, None
                    assert self.pending
                case Opcode.WAIT | Opcode.ITEM_END:
                    assert head["opcode"] == Opcode.WAIT or self.described is None
                    if head["opcode"] == Opcode.WAIT or config.n_cores > 1:
                        self.finish()
                        self.n_writers += 1  # all is in memory
                case _:
                    raise AssertionError(f"opcode {head['opcode']}")

    def finish(self):
        """Run the pass that is pending."""
        if self.pending:
            present, (self.item, *work) = self.item, self.pending
            self.run_pass(*work)
            self.n_writers += work[0]["drain"]
            self.item, self.pending = present, None

    def packed_index(self, pe, slot, position, slot_log2):
        """Index of a weight word among those that are packed, or None."""
        bit = (slot << slot_log2) + position
        word = bit // self.config.mask_width
        if not self.masks[pe, bit]:
            return None
        return self.first[pe, word] + self.masks[pe, word * self.config.mask_width : bit].sum()

    def weight(self, f, pe, slot, position):
        bits = 8 >> f["weight_log2"]
        if self.config.zero_skipping:
            index = self.packed_index(pe, f["slot_base"] + slot, position, f["slot_log2"])
        else:
            index = f["slot_base"] + slot * f["n_positions"] + position
        if index is None:
            return np.zeros(self.config.n_lanes, np.int64)
        start = index * bits * self.config.n_lanes
        lanes = self.weights[pe, start : start + bits * self.config.n_lanes].reshape(-1, bits)
        return lanes @ np.append(1 << np.arange(bits - 1), -(1 << (bits - 1)))

    def read_dense_row(self, f, row, plane):
        """The row of a core without zero-skipping: no mask, all values."""
        offset = f["in_offset"] + plane * f["in_plane_stride"] + row * f["in_row_stride"]
        if f["in_region"] == Region.INPUT:
            offset += self.item * self.program.input_stride
        bits, pitch = 4 if f["in_narrow"] else 8, f["in_pitch"]
        n_bytes = -(-f["n_cols"] * pitch * bits // 8)
        assert pitch == value_pitch(f["in_chans"]) and f["in_mask_beats"] == -(-n_bytes // self.config.beat_bytes)
        self.check_read(f, row, [(offset, n_bytes)])
        record = bytes(self.regions[Region(f["in_region"])][offset : offset + f["in_mask_beats"] * self.config.beat_bytes])
        acts = decode_row(record + bytes(-len(record) % 16), f["n_cols"], f["in_chans"], bits, dense=True)
        return acts.astype(np.int64)

    def check_read(self, f, row, spans):
        """The pass may read one record, from its start, and what the last one wrote only in rows that it awaits."""
        region, start = Region(f["in_region"]), spans[0][0]
        for first, length in spans:
            assert first >= 0 and first + length <= len(self.regions[region])
            assert (self.records[region][first : first + length] == start).all()
            owners, rows = self.writers[region][first : first + length].T
            late = rows[owners == self.n_writers]
            assert not self.n_writers or not late.size or (f["awaits_rows"] and late.max() < row + f["rows_awaited"])

    def read_row(self, f, row, plane):
        if not self.config.zero_skipping:
            return self.read_dense_row(f, row, plane)
        offset = f["in_offset"] + plane * f["in_plane_stride"] + row * f["in_row_stride"]
        if f["in_region"] == Region.INPUT:
            offset += self.item * self.program.input_stride
        data = self.regions[Region(f["in_region"])]
        pitch = 1 << f["pitch_log2"] if f["multi_pixel"] else f["unit_words"] * f["units_per_pixel"] * self.config.detector_width
        mask_bytes = -(-f["n_cols"] * pitch // 8)
        bits = np.unpackbits(np.frombuffer(data, np.uint8, mask_bytes, offset), bitorder="little")[: f["n_cols"] * pitch]
        acts = np.zeros(len(bits), np.int64)
        n_values, start = int(bits.sum()), offset + f["in_value_offset"]
        n_bytes = -(-n_values // 2) if f["in_narrow"] else n_values
        self.check_read(f, row, [(offset, mask_bytes), (start, n_bytes)])
        if f["in_narrow"]:
            halves = [half for byte in data[start : start + n_bytes] for half in (byte & 15, byte >> 4)][:n_values]
            acts[bits != 0] = [half - 16 if half >= 8 else half for half in halves]
        else:
            acts[bits != 0] = np.frombuffer(data, np.int8, n_values, start)
        acts = acts.reshape(f["n_cols"], pitch)
        if f["in_ranked"]:
            first = (f["in_winner_row"] + plane * f["in_winner_step"]) * self.config.detector_width
            acts = acts * self.marks[first : first + pitch]
        return acts

    def run_pass(self, f, positions):
        row_quot, row_phase = f["row_quot"], f["row_phase"]
        assert f["n_out_rows"] <= f["ring_rows"] or f["drain"]
        drained = self.drain_finished(f, 0, 0)
        row_acc = 0
        for row in range(f["n_rows"]):
            live_from = f["out_row_first"] + drained
            assert min(row_quot, f["out_row_first"] + f["n_out_rows"] - 1) < live_from + f["ring_rows"]
            for plane in range(f["n_planes"]):
                acts = self.read_row(f, row, plane)
                exists = np.broadcast_to(np.arange(acts.shape[1]) < f["in_chans"], acts.shape)
                for col, chan in np.argwhere(exists if f["no_skip"] else acts):
                    self.event(f, positions, row_quot, row_phase, row_acc, plane, int(col), int(chan), int(acts[col, chan]))
            row_phase += 1
            if row_phase == f["row_stride"]:
                row_phase, row_quot, row_acc = 0, row_quot + 1, row_acc + f["acc_row_pitch"]
            drained = self.drain_finished(f, drained, row + 1)
        if f["n_winners"]:
            self.rank(f)

    def drain_finished(self, f, drained, rows_done):
        """Drain the output rows that ``rows_done`` input rows finish; returns how many are drained in all."""
        while f["drain"] and drained < f["n_out_rows"]:
            if rows_done < min(f["need_first"] + drained * f["need_step"], f["n_rows"]):
                break
            self.drain(f, drained)
            drained += 1
        return drained

    def event(self, f, positions, row_quot, row_phase, row_acc, plane, col, chan, value):
        config = self.config
        col_quot, col_phase = divmod(col + f["col_quot"] * f["col_stride"] + f["col_phase"], f["col_stride"])
        base = row_acc + (col_quot - f["col_quot"]) * f["acc_col_pitch"]
        row_reach = f["row_reach_hi"] if row_phase < f["row_split"] else f["row_reach_lo"]
        col_reach = f["col_reach_hi"] if col_phase < f["col_split"] else f["col_reach_lo"]
        chan += plane * f["plane_slots"]
        target, group, slot = None, 0, chan
        if f["targeted"]:
            chan -= f["gctx_acc"]
            if not 0 <= chan < f["valid_chans"]:
                return
            group, target = chan // config.lanes, chan // config.n_lanes % config.n_pes
            slot = chan % config.n_lanes + (0 if f["shared"] else group * config.n_lanes)
        slot += row_phase * f["row_phase_slots"] + col_phase * f["col_phase_slots"]
        for kctx in range(f["n_kctx"]):
            for gctx in range(f["n_gctx"]):
                last = gctx == f["n_gctx"] - 1
                context_slot = slot + (kctx * f["n_gctx"] + gctx) * f["ctx_slots"]
                for p, position in enumerate(positions):
                    d_row, d_col = position["dr"] + kctx * f["kctx_dr"], position["dc"]
                    out_row, out_col = row_quot - d_row, col_quot - d_col
                    if d_row > row_reach or d_col > col_reach or not 0 <= out_col < f["n_out_cols"]:
                        continue
                    if not 0 <= out_row - f["out_row_first"] < f["n_out_rows"] or (last and not f["last_mask"] >> p & 1):
                        continue
                    addr = (base + position["offset"] + gctx * f["gctx_acc"] + kctx * f["kctx_acc"]) % config.acc_depth
                    addr = (addr + group) % config.acc_depth
                    for pe in range(config.n_pes) if target is None else [target]:
                        if last and pe >= f["n_last_pes"] and not f["partial_mask"] >> p & 1:
                            continue
                        weight = self.weight(f, pe, context_slot, p)
                        self.macs[f["layer"]] += np.count_nonzero(weight) if value else 0
                        if f["op_max"]:
                            self.acc[addr, pe] = np.maximum(self.acc[addr, pe], np.where(weight != 0, value + 128, 0))
                        else:
                            self.acc[addr, pe] += value * weight

    def track(self, f, row, pixels):
        """Maxima of the channels of a plane; its first row clears all places of the plane."""
        width, pitch = self.config.detector_width, len(pixels[0])
        first = f["out_winner_row"] * width
        places = self.maxima[first : first + -(-pitch // width) * width]
        if f["first_maxima"] and row == 0:
            places[:] = 0
        places[:pitch] = np.maximum(places[:pitch], np.max(pixels, axis=0))

    def rank(self, f):
        """Mark the winners among the places of a map: one after the other, the lowest of the largest."""
        first, n = f["rank_row"] * self.config.detector_width, f["rank_rows"] * self.config.detector_width
        left = self.maxima[first : first + n].copy()
        self.marks[first : first + n] = False
        for _ in range(min(f["n_winners"], n)):
            best = int(np.argmax(left))
            self.marks[first + best], left[best] = True, -1

    def drain(self, f, row):
        config = self.config
        pixels = []
        for col in range(f["n_out_cols"]):
            addrs = [(row * f["acc_row_pitch"] + col * f["acc_col_pitch"] + g) % config.acc_depth for g in range(f["n_groups"])]
            sums = self.acc[addrs].reshape(-1)[: f["valid_chans"]].copy()
            self.acc[addrs] = 0
            out = []
            for chan, psum in enumerate(sums):
                param = self.params[f["param_row"] * config.params_per_row + chan]
                half = 1 << (param["shift"] - 1) if param["shift"] else 0
                q = ((int(psum) + param["bias"]) * param["multiplier"] + half) >> param["shift"]
                q = min(max(q, f["clip_low"]), f["clip_high"])
                out.append(q if q >= f["threshold"] or not f["threshold"] else 0)
            pitch = f["chunks"] * f["chunk_bits"]
            pixels.append(out + [0] * (pitch - len(out)))
        if f["track_maxima"]:
            self.track(f, row, pixels)
        width = 4 if f["out_narrow"] else 8
        dense = not config.zero_skipping
        kind = {"dense": dense, "checked_beat": config.checked_beat}
        record = encode_row(np.array(pixels, np.int8), width, **kind)
        offset = f["out_offset"] + row * f["out_row_stride"]
        if f["out_region"] == Region.OUTPUT:
            offset += self.item * self.program.output_stride
        data = self.regions[Region(f["out_region"])]
        assert (value_pitch if dense else channel_pitch)(len(pixels[0])) == len(pixels[0])
        assert len(record[: f["out_value_offset"]]) == f["out_value_offset"]
        used = min(len(record), f["out_row_stride"])
        assert not any(record[used:])
        data[offset : offset + used] = record[:used]
        self.writers[Region(f["out_region"])][offset : offset + used] = self.n_writers + 1, row
        self.records[Region(f["out_region"])][offset : offset + used] = offset
        assert decode_row(record, f["n_out_cols"], len(pixels[0]), width, **kind).tolist() == pixels


class ClusterEmulator(Emulator):
    """An `Emulator` for each core over the same regions, each executing its packets of the one program."""

    def __init__(self, program):
        super().__init__(program)
        self.cores = [Emulator(program) for _ in range(program.config.n_cores)]

    def place(self, inputs):
        super().place(inputs)
        for core in self.cores:
            core.regions = self.regions
            core.watch()
            core.records = self.records

    def execute(self, code):
        """Deal the packets out; at a barrier every core has done all before it, for here they take turns anyway."""
        config, at, selected = self.config, 0, self.cores
        for core in self.cores:
            core.item = self.item
        while at < len(code):
            head = HEADER.unpack(int.from_bytes(code[at : at + 8], "little"))
            opcode, count = head["opcode"], head["count"]
            payload_bits = {
                Opcode.MASKS: count * config.mask_width, Opcode.VALUES: count * config.data_width,
                Opcode.PARAMS: count * 64, Opcode.PASS: count * 64,
            }.get(opcode, 0)  # fmt: skip
            end = at + (1 + -(-payload_bits // config.data_width)) * config.beat_bytes
            if opcode == Opcode.CORES:
                assert 0 < head["dest"] < 1 << len(self.cores)
                selected = [core for i, core in enumerate(self.cores) if head["dest"] >> i & 1]
            else:
                selected = self.cores if opcode in (Opcode.WAIT, Opcode.ITEM_END) else selected
                for core in selected:
                    core.execute(code[at:end])
            at = end
        self.acc, self.macs = np.stack([core.acc for core in self.cores]), sum(core.macs for core in self.cores)
