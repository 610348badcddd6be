"""The copy that is traced and run instead of a user's module, which stays as it is."""

import threading

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from quiesce.sw.quant import QuantizeError, quantize
from quiesce.sw.quant.frozen import frozen_copy


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 4))


INPUTS = torch.randn(8, 2, 6, 6, generator=torch.Generator().manual_seed(1))


class Keeps(nn.Module):
    """Keeps activations of its last pass, in an attribute and in containers."""

    def __init__(self):
        super().__init__()
        self.net = net()

    def forward(self, x):
        self.seen = self.net[0](x)
        self.more = {"list": [(self.seen,)]}
        out = self.seen
        for layer in list(self.net)[1:]:
            out = layer(out)
        return out


def pruned(module):
    prune.l1_unstructured(module[0], "weight", 0.5)
    return module


def derived(module, change):
    change(module)
    module(INPUTS)  # computes what spectral_norm derives
    return module


def kept():
    module = Keeps()
    module(INPUTS).sum().backward()
    return module


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize(
    "make",
    [
        lambda: pruned(net()),
        lambda: derived(net(), lambda m: weight_norm(m[0])),
        lambda: derived(net(), lambda m: spectral_norm(m[4])),
        lambda: derived(net(), lambda m: parametrizations.weight_norm(m[0])),
        lambda: derived(net(), lambda m: parametrizations.spectral_norm(m[4])),
        kept,
    ],
)
def test_modules_with_derived_tensors_are_quantised(make):
    module = make().eval()
    network = quantize(module, INPUTS)
    conv = module.net[0] if isinstance(module, Keeps) else module[0]
    peaks = conv.weight.detach().abs().flatten(1).amax(dim=1)
    gain = module.net[1] if isinstance(module, Keeps) else module[1]
    assert torch.allclose(torch.from_numpy(network.layers[0].weight_scale.copy()) * 127, peaks / (1 + gain.eps) ** 0.5, rtol=0.2)
    zeros = int((conv.weight == 0).sum())
    assert (network.layers[0].weight == 0).sum() >= zeros


def test_pruned_weights_are_those_of_the_next_pass():
    module = pruned(net()).eval()
    with torch.no_grad():
        module[0].weight_orig *= 3  # the derived weight follows with the next pass
    stale = quantize(module, INPUTS)
    module(INPUTS)
    fresh = quantize(module, INPUTS)
    assert stale.layers[0].weight_scale.tolist() == fresh.layers[0].weight_scale.tolist()


def test_what_cannot_be_copied_is_refused():
    module = net()
    module.lock = threading.Lock()
    with pytest.raises(QuantizeError, match=r"^Sequential cannot be copied \(TypeError: .*lock.*detach"):
        quantize(module, INPUTS)


def test_module_inputs_and_random_state_stay_as_they_are():
    module = net().train()
    module[2].eval()

    class Behind(nn.Module):
        """Its forward reads another module, which no copy follows."""

        def __init__(self):
            super().__init__()
            self.inner = module
            self.calls = []
            self.forward = lambda x: (self.calls.append(x), module(x))[1]

    behind = Behind()
    module[0].register_forward_hook(lambda *_: torch.rand(1) and None)
    modes = [part.training for part in behind.modules()]
    state = {name: tensor.clone() for name, tensor in behind.state_dict().items()}
    inputs, rng = INPUTS.clone(), torch.get_rng_state()
    with frozen_copy(behind) as frozen:
        frozen(inputs)
        frozen.inner(inputs)
        assert not frozen.inner.training
    assert [part.training for part in behind.modules()] == modes
    assert all(torch.equal(state[name], tensor) for name, tensor in behind.state_dict().items())
    assert torch.equal(rng, torch.get_rng_state())
    assert len(behind.inner[0]._forward_hooks) == 1
