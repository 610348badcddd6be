"""Effectual MACs, counted by masks of operands and by fan-outs: the two must agree on any network."""

import numpy as np
from hypothesis import given, settings

from quiesce import models
from quiesce.sw import reference
from quiesce.sw.data import mnist
from quiesce.sw.sparsity.accounting import effectual_macs
from tests.graphs import graphs


@settings(max_examples=60, deadline=None)
@given(case=graphs(winners=True))
def test_equal_to_the_reference_on_any_network(case):
    counted = effectual_macs(case.network, case.inputs, batch=2)
    expected = reference.run(case.network, case.inputs).counts
    assert list(counted) == list(expected)
    for name, counts in expected.items():
        np.testing.assert_array_equal(counted[name], counts.effectual_macs)


def test_shipped_networks():
    inputs = mnist.quantize_images(mnist.sample().images[:20])
    for name in ("lenet5-sparse", "mlp3"):
        network = models.load(name)
        total = sum(effectual_macs(network, inputs).values())
        np.testing.assert_array_equal(total, reference.run(network, inputs).effectual_macs)
