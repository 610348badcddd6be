"""Temporal sparsity as a method: the loss, its three modes, what it replaces and refuses."""

import numpy as np
import pytest
import torch
from torch import nn

from quiesce.sw.quant import prepare, quantize
from quiesce.sw.quant.fatrelu import FatReLU
from quiesce.sw.sparsity import (
    ActivationPenalty,
    Arts,
    Delta,
    DeltaActivation,
    DeltaMode,
    FatReluThresholds,
    MethodError,
    Metrics,
    activity,
    combine,
)  # fmt: skip
from quiesce.sw.sparsity.stream import sent_frames
from quiesce.sw.sparsity.temporal import temporal_statistics
from quiesce.sw.stream.sending import send
from tests.sw.data.moving import moving_square

FRAMES = 6
CLIPS = torch.from_numpy(np.concatenate([moving_square(FRAMES, 16, 5, top=top, left=top) for top in (1, 3, 8)]))[:, None]
INPUTS = torch.round(CLIPS / 255 * 127) / 127


class Net(nn.Module):
    """Biases, batch normalisation, pools of both kinds, a sum, and a head of its own."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.mean = nn.AvgPool2d(2)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, inputs):
        acts = self.pool(self.relu(self.norm1(self.conv1(inputs))))
        return self.head(self.mean(self.relu(self.conv2(acts) + acts)))


def net():
    torch.manual_seed(5)
    module = Net()
    module.norm1.running_mean.uniform_(-0.2, 0.2)
    module.norm1.running_var.uniform_(0.05, 0.5)
    return module.eval()


def delta(**changed):
    return Delta(**({"rate": 0.01, "frames": FRAMES, "example": INPUTS} | changed))


def test_every_activation_is_replaced_and_stays():
    module, method = net(), delta(levels=8.0)
    with method.attached(module):
        pass
    assert isinstance(module.relu, DeltaActivation)
    assert isinstance(module.head[2], DeltaActivation)
    assert {name for name, _ in module.named_parameters() if "theta" in name} == {"relu.theta", "head.2.theta"}
    assert not module._forward_hooks and not module._forward_pre_hooks
    assert not module.relu._forward_hooks and not module.conv1._forward_pre_hooks
    plain = net()
    peak = torch.relu(plain.norm1(plain.conv1(INPUTS))).amax(dim=(0, 2, 3)).detach()
    later = torch.relu(plain.conv2(plain.pool(plain.relu(plain.norm1(plain.conv1(INPUTS)))))
                       + plain.pool(plain.relu(plain.norm1(plain.conv1(INPUTS))))).amax(dim=(0, 2, 3)).detach()  # fmt: skip
    assert torch.allclose(module.relu.theta, torch.maximum(peak, later) / 8)


@pytest.mark.parametrize(("per", "shapes"), [("layer", [(), ()]), ("channel", [(4,), (8,)])])
def test_steps_per_layer_and_channel(per, shapes):
    method = delta(per=per)
    with method.attached(net()):
        assert [step.shape for step in method.steps.values()] == shapes


def test_steps_per_neuron_need_a_place_each():
    with pytest.raises(MethodError, match="give each place one of its own"):
        delta(per="neuron").attach(net())
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with delta(per="neuron").attached(module):
        assert module[1].theta.shape == (2, 14, 14)


def test_the_loss_by_hand():
    module = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv2d(1, 6, 1, bias=False))
    module[0].weight.data.fill_(1.0)
    inputs = torch.tensor([9.0, 9.0, 7.0, 0.0, 0.0, 4.0]).reshape(6, 1, 1, 1)
    method = Delta(0.5, frames=3, example=inputs, levels=9.0)
    with method.attached(module):
        module.train()
        method.begin_step(0.0)
        module(inputs)
        # Changes 0, 2 and 0, 4 of the second layer's input; the first one's depends on no parameter.
        assert method.loss().item() == pytest.approx(0.5 * 6 * 6 / 4)
        assert method.loss() is None
        module.eval()
        module(inputs)
        assert method.loss() is None


def test_first_frames_cost_nothing():
    module, method = net(), delta()
    with method.attached(module):
        module.train()
        method.begin_step(0.0)
        module(INPUTS[:1].repeat(FRAMES, 1, 1, 1))
        assert method.loss().item() == 0.0


@pytest.mark.parametrize("chunk", [1, 2, FRAMES])
@pytest.mark.parametrize("threshold", [0, 20])
def test_changes_give_the_outputs_of_frames(chunk, threshold):
    module, method = net(), delta(input_threshold=threshold, input_scale=1 / 127)
    with method.attached(module), torch.no_grad():
        dense = module(INPUTS)
        method.mode = DeltaMode.DELTA
        for _ in range(2):
            method.reset()
            method.frames = chunk
            clips = INPUTS.unflatten(0, (-1, FRAMES))
            parts = [module(clips[:, at : at + chunk].flatten(0, 1)) for at in range(0, FRAMES, chunk)]
            found = torch.cat([part.unflatten(0, (-1, chunk)) for part in parts], dim=1).flatten(0, 1)
            assert torch.allclose(found, dense, atol=1e-4)


def test_without_a_reset_streams_go_on():
    module, method = net(), delta()
    with method.attached(module), torch.no_grad():
        dense = module(INPUTS)
        method.mode = DeltaMode.DELTA
        module(INPUTS)
        assert torch.allclose(module(INPUTS), dense, atol=1e-4)  # what differs from the last frame is sent
        with pytest.raises(MethodError, match="reset the streams first"):
            module(INPUTS[:FRAMES])
        method.reset()
        module(INPUTS[:FRAMES])


def test_without_background_a_still_stream_is_silent():
    module, method = net(), delta()
    still = INPUTS[:1].repeat(FRAMES, 1, 1, 1)
    with method.attached(module), torch.no_grad():
        method.mode = DeltaMode.CHANGES
        with activity(module) as counted:
            module(still)
        assert sum(counted.events.values()) == 0
        method.reset()
        with activity(module) as counted:
            module(INPUTS)
        without = sum(counted.events.values())
        method.mode = DeltaMode.DELTA
        with activity(module) as counted:
            module(INPUTS)
        assert 0 < without < sum(counted.events.values())


def test_evaluation_counts_the_changes_that_the_delta_mode_has():
    module, method = net(), delta(input_threshold=3, input_scale=1 / 127)
    with method.attached(module), torch.no_grad():
        with activity(module, FRAMES) as changed:
            module(INPUTS)
        method.mode = DeltaMode.DELTA
        method.frames = 1
        clips = INPUTS.unflatten(0, (-1, FRAMES))
        module(clips[:, 0])
        with activity(module) as counted:
            for at in range(1, FRAMES):
                module(clips[:, at])
    assert combine(method, ActivationPenalty("l1", 0.1)).counts_changes
    for name, events in changed.events.items():
        assert counted.events[name] == pytest.approx(events, rel=0.02)


def test_training_on_changes_is_refused():
    module, method = net(), delta()
    with method.attached(module):
        method.mode = DeltaMode.DELTA
        module.train()
        with pytest.raises(MethodError, match="training on changes"):
            module(INPUTS)


def test_what_the_host_holds_back_is_that_of_the_reference():
    frames = torch.round(INPUTS.unflatten(0, (-1, FRAMES)) * 127).to(torch.int8).permute(0, 1, 3, 4, 2).numpy()
    sent = sent_frames(INPUTS.unflatten(0, (-1, FRAMES)), 1 / 127, 9)
    assert np.array_equal(torch.round(sent * 127).to(torch.int8).permute(0, 1, 3, 4, 2).numpy(), send(frames, None, 9))
    before = INPUTS.unflatten(0, (-1, FRAMES))[:, 0]
    later = sent_frames(INPUTS.unflatten(0, (-1, FRAMES))[:, 1:], 1 / 127, 9, before)
    assert torch.equal(later, sent[:, 1:])


def test_the_network_knows_its_thresholds():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(784, 3))
    method = combine(delta(input_threshold=5, input_scale=1 / 127), ActivationPenalty("l1", 0.1))
    with method.attached(module):
        pass
    network = method.complete(quantize(module, INPUTS, input_scale=1 / 127))
    assert [network.delta_threshold(name) for name in ("input", "0", "3")] == [5, 0, None]
    frames = torch.round(INPUTS * 127).to(torch.int8).permute(0, 2, 3, 1).numpy()
    found = temporal_statistics(network, frames, np.repeat(np.arange(3, dtype=np.uint8), FRAMES), [slice(0, 6), slice(6, 18)])
    with method.attached(module), activity(module, FRAMES) as counted, torch.no_grad():
        module(INPUTS[:FRAMES])
    first = temporal_statistics(network, frames[:FRAMES], np.zeros(FRAMES, np.uint8), [slice(0, FRAMES)])
    assert (found.n_images, first.n_images) == (16, 5)
    assert first.layers[0].events * 5 == counted.events["0"]
    assert first.layers[1].events * 5 == pytest.approx(counted.events["3"], rel=0.1)  # weights have 8 bits
    assert first.layers[1].effectual_macs == pytest.approx(3 * first.layers[1].events, rel=0.05)


def test_a_few_steps_make_changes_rare():
    module, method = net(), delta(rate=1e-2, levels=32.0)
    labels = torch.arange(3).repeat_interleave(FRAMES)
    with method.attached(module):
        optimiser = torch.optim.SGD(module.parameters(), lr=0.02, momentum=0.9)
        with activity(module, FRAMES) as before, torch.no_grad():
            module(INPUTS)
        module.train()
        for step in range(60):
            method.begin_step(step / 60)
            optimiser.zero_grad()
            (nn.functional.cross_entropy(module(INPUTS), labels) + method.loss()).backward()
            optimiser.step()
        module.eval()
        with activity(module, FRAMES) as after, torch.no_grad():
            found = module(INPUTS).argmax(dim=1)
    assert bool((found == labels).all())
    assert after.work < 0.7 * before.work


def test_it_goes_on_on_integers_with_arts_and_a_penalty():
    module = net()
    method = combine(delta(), Arts(ActivationPenalty("l1", 0.1), tolerance=0.1, search=2))
    with method.attached(module):
        method.begin(Metrics(epoch=0, loss=0.0, quality=0.5, work=10.0, events=5.0))
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), DeltaActivation(torch.full((4,), 0.05)), nn.Flatten(), nn.Linear(784, 3))
    integer = prepare(plain, INPUTS, input_scale=1 / 127)
    with method.attached(integer):
        integer.train()
        method.begin_step(0.0)
        integer(INPUTS).sum().backward()
        term = method.loss()
        assert term.item() > 0
        with pytest.raises(MethodError, match="only of a module of real numbers"):
            method.methods[0].mode = DeltaMode.DELTA
    state = method.state_dict()
    again = combine(delta(), Arts(ActivationPenalty("l1", 0.1), tolerance=0.1, search=2))
    again.load_state_dict(state)
    assert again.state_dict().keys() == state.keys()


def test_its_own_rate_may_follow_the_quality():
    method = Arts(delta(), tolerance=0.01, search=4)
    module = net()
    with method.attached(module):
        assert method.counts_changes
        method.begin(Metrics(epoch=0, loss=0.0, quality=0.9, work=10.0, events=5.0))
        method.epoch_end(Metrics(epoch=1, loss=0.0, quality=0.9, work=5.0, events=5.0))
        method.begin_step(1.0)
        assert method.penalty.coefficient == pytest.approx(0.015)
    assert "learned per channel" in method.describe()


def test_steps_learned_here_are_the_scales_of_the_network():
    module = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(432, 2))
    method = delta(per="layer")
    with method.attached(module):
        module[1].theta.data.fill_(0.125)
    network = quantize(module, INPUTS, input_scale=1 / 127)
    assert network.scale("0") == 0.125


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": 1}, "frames >= 2"), ({"levels": 0.0}, "levels > 0"), ({"rate": -1.0}, "coefficient"),
        ({"per": "pixel"}, "per"), ({"input_threshold": 255}, "0..254"), ({"input_scale": 0.0}, "input_scale > 0"),
    ],
)  # fmt: skip
def test_bad_parameters(changed, message):
    with pytest.raises(MethodError, match=message):
        delta(**changed)


def test_what_does_not_fit_leaves_the_module_alone():
    module = net()
    with pytest.raises(MethodError, match="an example of the module's inputs is needed"):
        delta(example=None).attach(module)
    with pytest.raises(MethodError, match="no layer 'relu9'"):
        delta(layers=["relu9"]).attach(module)
    with pytest.raises(MethodError, match="no modules of ReLU"):
        delta().attach(nn.Sequential(nn.Conv2d(1, 1, 1)))
    with pytest.raises(MethodError, match="FatReLU cannot have steps"):
        delta().attach(nn.Sequential(nn.Conv2d(1, 1, 1), FatReLU(0.5)))
    assert isinstance(module.relu, nn.ReLU)
    with delta().attached(module):
        with pytest.raises(MethodError, match="no whole number of clips of 6"):
            module(INPUTS[:7])
    with pytest.raises(MethodError, match="whole steps cannot have a threshold"):
        FatReluThresholds(lambda module: 0.0, allowed=0.1).attach(module)


def test_an_activation_that_is_never_called_is_named():
    module = net()
    module.unused = nn.ReLU()
    with pytest.raises(MethodError, match="does not call it"):
        delta().attach(module)
