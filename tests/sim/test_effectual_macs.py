"""Effectual MACs of the training library and of the core's counters: the same number, layer by layer."""

from quiesce import models
from quiesce.sim import RunOptions, cosim
from quiesce.sw.data import mnist
from quiesce.sw.sparsity.accounting import effectual_macs


def test_software_counts_what_the_core_counts():
    inputs = mnist.quantize_images(mnist.sample().images[:3])
    network = models.load("lenet5-sparse")
    run = cosim(network, inputs, options=RunOptions(energy=False, simulator="loop"))
    assert run.bit_exact, run.mismatch
    expected = {name: int(macs.sum()) for name, macs in effectual_macs(network, inputs).items()}
    assert {layer.name: layer.effectual_macs for layer in run.layers} == expected
    assert min(expected.values()) > 0
