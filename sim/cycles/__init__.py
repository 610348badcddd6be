"""Analytic cycle model: how many cycles a program takes on given activations, without a simulator.

``predict`` is the entry. The model follows the queues of a core at the granularity of events: each is offered in scan order,
accepted by all PEs together, and walked by each in as many cycles as it has weights for it. What surrounds the queues (memory
latency, draining, pass changes) is modelled per row and per pass with the constants in ``timing.py``. ``quiesce bench model``
prints the error of the model against the RTL.
"""
