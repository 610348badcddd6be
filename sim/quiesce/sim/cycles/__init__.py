"""Analytic cycle model: how many cycles a program takes on given activations, without a simulator.

``predict`` is the entry. What shares the bus runs as processes in simulated time (``kernel.py``), burst by burst: the prefetch of
the program, the sequencer of each core and the reader of its activations. What these bring is followed row by row: when the
detector finds each event, when all PEs accept it together and when each has walked as many cycles as it has weights for it
(``queue.py``), when sums go into the accumulators (``updates.py``), when finished rows are drained and cut into chunks, and when
they are in memory. Each part follows the component of ``rtl/`` that its docstring names; the depths of the pipelines between them
are in ``latencies.py``. ``quiesce bench model`` prints the error of the model against the RTL.
"""
