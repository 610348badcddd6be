"""Methods together, on a module of the user's own: real-valued, then on its integers, to a network file's content."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize

from quiesce.sw import reference
from quiesce.sw.quant import prepare
from quiesce.sw.sparsity import (
    ActivationPenalty,
    Arts,
    BalancePenalty,
    FatReluThresholds,
    Metrics,
    Pruning,
    Schedule,
    Verdict,
    WeightPenalty,
    activity,
    combine,
)


class Residual(nn.Module):
    """A shortcut, an activation that is used twice, and a layer without parameters of its own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 8, 3, padding=1)
        self.relu = nn.ReLU()
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(8 * 3 * 3, 4)

    def forward(self, images):
        acts = self.relu(self.first(images))
        acts = self.last(self.second(acts) + acts)
        return self.fc(self.pool(acts).flatten(1))


IMAGES = torch.rand(64, 2, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = (IMAGES[:, 0].mean(dim=(1, 2)) > 0.5).long() + 2 * (IMAGES[:, 1].mean(dim=(1, 2)) > 0.5).long()


def quality(module):
    was_training = module.training
    module.eval()
    with torch.no_grad():
        right = (module(IMAGES).argmax(dim=1) == LABELS).float().mean()
    module.train(was_training)
    return float(right)


def follow(module, method, epochs, before=0):
    """A training loop of a few lines, as in the documentation."""
    kept, taken = None, Verdict.NONE
    with method.attached(module):
        optimiser = torch.optim.Adam(module.parameters(), lr=5e-3)
        for epoch in range(before, before + epochs):
            module.train()
            for step in range(4):
                method.begin_step(epoch + step / 4)
                loss = cross_entropy(module(IMAGES[step::4]), LABELS[step::4])
                term = method.loss()
                optimiser.zero_grad()
                (loss if term is None else loss + term).backward()
                optimiser.step()
            with activity(module) as counted:
                right = quality(module)
            work, events = counted.work / 64, sum(counted.events.values()) / 64
            verdict = method.epoch_end(Metrics(epoch=epoch + 1, loss=loss.item(), quality=right, work=work, events=events))
            if Verdict.KEEP in verdict:
                kept = {name: tensor.clone() for name, tensor in module.state_dict().items()}
            if Verdict.ROLL_BACK in verdict:
                module.load_state_dict(kept)
            taken |= verdict
        if kept is not None:
            module.load_state_dict(kept)
    return taken


def test_everything_together():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = Residual()
    method = combine(
        WeightPenalty(0.1, schedule=Schedule(5, 10)),
        Pruning(sparsity=0.4, at=10),
        Arts(ActivationPenalty("tl1", 0.05, b=0.1), tolerance=0.1, dense=10, search=20),
        BalancePenalty(0.01, n_pes=4),
        FatReluThresholds(quality, allowed=0.02, at=30, steps=4),
    )
    plain = set(module.state_dict())
    taken = follow(module, method, 30)
    assert Verdict.KEEP in taken
    assert set(module.state_dict()) == plain | {"relu.threshold", "last.threshold"}  # FATReLU is the module's own
    assert not any(layer._forward_pre_hooks or layer._forward_hooks for layer in module.modules())
    assert not any(parametrize.is_parametrized(layer) for layer in module.modules())
    weights = torch.cat([layer.weight.detach().flatten() for layer in (module.first, module.second, module.fc)])
    assert float((weights == 0).float().mean()) >= 0.39
    integer = prepare(module.eval(), IMAGES)
    follow(integer, method, 2, before=30)
    network = integer.eval().to_network("residual")
    zeros = sum(np.count_nonzero(layer.weight == 0) for layer in network.layers if layer.weight is not None and layer.cout > 2)
    assert zeros >= 0.39 * len(weights)
    low, high = integer.input_range
    steps = (IMAGES / integer.scales["input"] + 0.5).floor().clamp(low, high).to(torch.int8)
    found = reference.run(network, steps.permute(0, 2, 3, 1).contiguous().numpy())
    expected = found.outputs.reshape(64, 4) * np.float32(integer.scales[integer.output])
    np.testing.assert_allclose(integer(IMAGES).detach().numpy(), expected, rtol=1e-6)
