"""Cores that several files of tests simulate: each Verilog is built once and then taken from the cache."""

from dataclasses import replace

from quiesce.spec.config import preset

TINY = preset("tiny", acc_width=32)  # for the sums of any random network
WINNERS = replace(TINY, winner_depth=1024)
PLAIN = replace(TINY, zero_skipping=0)
SMALL = replace(TINY, n_pes=2, acc_depth=64, mask_depth=32, weight_depth=32, param_depth=64, act_depth=64, max_layers=8)
PROTECTED = replace(WINNERS, ram_check=2)
KEEPING = replace(TINY, post_units=2, state_depth=16384)  # state between items
KEEPING_PAIR = replace(KEEPING, n_cores=2, max_cols=8, acc_depth=32, mask_width=16, state_depth=512)
