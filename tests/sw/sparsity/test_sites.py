"""Layers by name, their fan-out, and taps that go away."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from quiesce.sw.quant import FatReLU, prepare
from quiesce.sw.sparsity import MethodError
from quiesce.sw.sparsity.sites import (
    activation_layers,
    fan_out,
    layer_inputs,
    needed,
    plain_weight,
    replaced_activations,
    weight_layers,
    working_layers,
)
from quiesce.sw.train.models import build


def test_fan_out():
    assert fan_out(nn.Linear(5, 9)) == 9
    assert fan_out(nn.Conv2d(4, 8, (3, 5), stride=(1, 2), groups=2)) == 3 * 5 * 8 / (2 * 2)
    assert fan_out(nn.MaxPool2d(2)) == 1
    assert fan_out(nn.AvgPool2d(3, stride=(2, 1))) == 4.5
    with pytest.raises(TypeError, match="ReLU"):
        fan_out(nn.ReLU())


def test_layers_by_name():
    module = build("lenet5", 0)
    assert list(working_layers(module)) == ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "fc3"]
    assert list(weight_layers(module, ["fc1", "conv1"])) == ["fc1", "conv1"]
    module.relu3 = FatReLU(0.1)
    assert list(activation_layers(module)) == ["relu1", "relu2", "relu3", "relu4"]
    with pytest.raises(MethodError, match="no layer 'fc9'"):
        weight_layers(module, ["fc9"])
    module.fc1.weight.requires_grad_(False)
    assert "fc1" not in weight_layers(module)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("change", [parametrizations.weight_norm, parametrizations.spectral_norm, weight_norm])
def test_derived_weights_are_trained_but_not_plain(change):
    module = nn.Sequential(change(nn.Linear(3, 2)), nn.Linear(2, 2))
    assert list(weight_layers(module)) == ["0", "1"]
    assert plain_weight("1", module[1]) is module[1].weight
    with pytest.raises(MethodError, match=r"^zero: .*remove_"):
        plain_weight("zero", module[0])
    for parameter in module[0].parameters():
        parameter.requires_grad_(False)
    assert list(weight_layers(module)) == ["1"]


def test_methods_need_something_to_act_on():
    layers = {"a": nn.ReLU()}
    assert needed(layers, "layers") is layers
    with pytest.raises(MethodError, match="there are no layers to act on"):
        needed({}, "layers")


def test_one_relu_in_several_places_becomes_several():
    relu, fc = nn.ReLU(), nn.Linear(4, 4)
    module = nn.Sequential(fc, relu, nn.Sequential(nn.Linear(4, 4), relu), fc)
    assert list(activation_layers(module)) == ["1", "2.1"]
    assert list(working_layers(module)) == ["0", "2.0"]
    replaced = replaced_activations(module, None, FatReLU, lambda _: FatReLU(), "a threshold")
    assert module[1] is replaced["1"] and module[2][1] is replaced["2.1"] and module[1] is not module[2][1]


def test_integer_modules_have_the_same_names():
    module = build("lenet5", 0).eval()
    integer = prepare(module, torch.rand(2, 1, 28, 28))
    assert list(working_layers(integer)) == list(working_layers(module))
    assert list(weight_layers(integer)) == list(weight_layers(module))


def test_inputs_of_real_and_integer_networks_agree():
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    module = build("lenet5", 2).eval()
    with layer_inputs(module) as real:
        module(images)
    qat = prepare(module, images).eval()
    with layer_inputs(qat) as integer:
        qat(images)
    assert [one.name for one in real] == [one.name for one in integer] == list(working_layers(module))
    for one, other in zip(real, integer, strict=True):
        assert one.fan_out == other.fan_out
        assert (other.acts.flatten(1) - one.acts.flatten(1)).abs().max() < 0.05 * one.acts.abs().max()
    assert not real[0].acts.requires_grad
    assert not any(layer._forward_pre_hooks for layer in module.modules())


def test_taps_go_even_after_an_error():
    module = build("mlp3", 0)
    with pytest.raises(RuntimeError), layer_inputs(module):
        module(torch.zeros(1, 1, 5, 5))
    assert not any(layer._forward_pre_hooks for layer in module.modules())
