"""Winners-take-all from torch to the integers: masks, gradients, and the same winners in all arithmetics."""

import numpy as np
import pytest
import torch
from torch import nn

from quiesce.sw import reference
from quiesce.sw.format.winners import winning_channels
from quiesce.sw.quant import Feature, UnsupportedOperationError, WinnerReLU, prepare, quantized_forward
from quiesce.sw.quant.winners import winner_mask


@pytest.mark.parametrize("shape", [(7, 12), (5, 12, 3, 4)])
@pytest.mark.parametrize("n_winners", [1, 5, 12])
def test_masks_equal_those_of_the_format(shape, n_winners):
    acts = torch.randint(0, 6, shape, generator=torch.Generator().manual_seed(n_winners)).float()
    wins = winner_mask(acts, n_winners)
    maps = acts.reshape(*shape[:2], -1, 1).permute(0, 2, 3, 1).numpy().astype(np.int8)
    assert wins.shape == (*shape[:2], *(1,) * (len(shape) - 2))
    assert np.array_equal(wins.reshape(shape[:2]).numpy(), winning_channels(maps, n_winners))


def test_mean_and_maximum_choose_differently():
    acts = torch.tensor([[[[4.0, 5.0]], [[6.0, 0.0]]]])
    assert winner_mask(acts, 1).flatten().tolist() == [False, True]
    assert winner_mask(acts, 1, Feature.MEAN).flatten().tolist() == [True, False]


def test_gradients_pass_winners_only():
    layer, acts = WinnerReLU(2), torch.tensor([[3.0, -1.0, 5.0, 4.0]], requires_grad=True)
    out = layer(acts)
    assert out.tolist() == [[0, 0, 5, 4]]
    out.sum().backward()
    assert acts.grad.tolist() == [[0, 0, 1, 1]]
    assert WinnerReLU(0)(acts).tolist() == WinnerReLU(4)(acts).tolist() == [[3, 0, 5, 4]]
    with pytest.raises(ValueError, match="negative"):
        WinnerReLU(-1)


def network(conv=3, pool=None, fc=4):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.MaxPool2d(2), WinnerReLU(conv),
        nn.Conv2d(8, 6, 3), WinnerReLU(5, threshold=0.05), nn.AvgPool2d(2, 1), *([pool] if pool else []),
        nn.Flatten(), nn.Linear(54, 20), WinnerReLU(fc), nn.Linear(20, 5),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_torch_and_reference_agree(seed):
    inputs = torch.rand(9, 2, 12, 12, generator=torch.Generator().manual_seed(seed))
    qat = prepare(network(), inputs)
    found = qat.to_network("winners")
    assert {layer.name: layer.winners for layer in found.layers} == {"0": 0, "2": 3, "4": 5, "6": 0, "8": 4, "10": 0}
    acts = (inputs / found.input.scale).round().to(torch.int8).permute(0, 2, 3, 1).contiguous()
    expected = reference.run(found, acts.numpy())
    assert ((expected.activations["2"] != 0).any(axis=(1, 2)).sum(axis=1) <= 3).all()
    assert (np.count_nonzero(expected.activations["8"], axis=3) <= 4).all()
    assert np.array_equal(quantized_forward(found)(acts).numpy(), expected.outputs)
    for training in (False, True):
        qat.train(training)
        integers = (qat(inputs).detach() / found.scale(found.output)).round().numpy()
        assert np.array_equal(integers, expected.outputs.reshape(9, 5))


def test_training_reaches_the_weights_of_winners():
    module = nn.Sequential(nn.Linear(3, 6), WinnerReLU(2), nn.Linear(6, 2))
    qat = prepare(module, torch.rand(8, 3)).train()
    qat(torch.rand(1, 3)).sum().backward()
    first, last = qat.steps()
    assert 0 < int((first.weight.grad != 0).any(dim=1).sum()) <= 2
    assert last.weight.grad is not None


def refused(*layers):
    with pytest.raises(UnsupportedOperationError) as error:
        prepare(nn.Sequential(nn.Conv2d(2, 4, 3), *layers), torch.rand(2, 2, 6, 6))
    return str(error.value)


def test_what_the_integers_do_not_have_is_refused():
    assert "only by its maximum" in refused(WinnerReLU(2, feature=Feature.MEAN))
    assert "flattened map" in refused(nn.Flatten(), WinnerReLU(2))
    assert "behind winners" in refused(WinnerReLU(2), nn.ReLU6())
