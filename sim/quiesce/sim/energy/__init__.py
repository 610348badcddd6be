"""Energy from switching activity, flip-flop clocks and memory accesses."""
