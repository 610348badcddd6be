"""Published weights: what is accepted, and that nothing else is ever read."""

import hashlib
import pickle

import pytest
import torch
from safetensors.torch import save

from quiesce.sw.train.errors import CheckpointError
from quiesce.sw.train.models import build
from quiesce.sw.train.start import load_start


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published(seed=1):
    """The state of a ResNet-20 as others publish it: a prefix, and no weights of shortcuts."""
    return {f"module.{name}": tensor for name, tensor in build("resnet20", seed).state_dict().items() if "shortcut" not in name}


@pytest.mark.parametrize("suffix", [".th", ".safetensors"])
def test_weights_arrive(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    if suffix == ".th":
        torch.save({"state_dict": published(), "best": 91.7}, path)
    else:
        path.write_bytes(save(published()))
    module = build("resnet20", 2)
    load_start(module, path, digest(path))
    for name, tensor in build("resnet20", 1).state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor)


def test_only_the_named_file(tmp_path):
    path = tmp_path / "weights.th"
    torch.save(published(), path)
    with pytest.raises(CheckpointError, match=r"weights.th: SHA-256 [0-9a-f]{64} instead of 0000"):
        load_start(build("resnet20", 1), path, "0" * 64)
    with pytest.raises(CheckpointError, match="none.th: cannot be read"):
        load_start(build("resnet20", 1), tmp_path / "none.th", "0" * 64)


class Code:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(Code(), 2), pickle.dumps([1, 2], 2)])
def test_other_content_is_refused(tmp_path, content, capsys):
    path = tmp_path / "weights.th"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="weights.th: not a file of weights"):
        load_start(build("resnet20", 1), path, digest(path))
    assert capsys.readouterr().out == ""


def test_weights_of_another_network(tmp_path):
    path = tmp_path / "weights.safetensors"
    for change, message in (
        (lambda state: state.pop("module.linear.bias"), "linear.bias is not in both"),
        (lambda state: state.update({"extra": torch.zeros(1)}), "extra is not in both"),
        (lambda state: state.update({"module.linear.bias": torch.zeros(3)}), "size mismatch for linear.bias"),
    ):
        state = published()
        change(state)
        path.write_bytes(save(state))
        with pytest.raises(CheckpointError, match=f"weights.safetensors: .*{message}"):
            load_start(build("resnet20", 1), path, digest(path))
