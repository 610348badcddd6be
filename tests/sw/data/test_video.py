"""Folders of videos, on clips that are made here."""

import av
import numpy as np
import pytest

from quiesce.sw.data import video
from quiesce.sw.data.errors import DatasetError
from tests.sw.data.moving import moving_square


def write(path, frames):
    """A video of grey frames (N, rows, cols) without loss but for the conversion of colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:], "gray"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode(None))


def test_a_folder_is_a_class_and_a_file_a_stream(tmp_path):
    write(tmp_path / "Walk" / "b.avi", moving_square(5))
    write(tmp_path / "Run" / "a.avi", moving_square(4, side=64, speed=4))
    write(tmp_path / "Walk" / "a.avi", moving_square(3, top=9))
    frames, classes = video.load(tmp_path)
    assert classes == ["Run", "Walk"]
    assert [part.stop - part.start for part in frames.streams()] == [4, 3, 5]
    assert frames.labels[frames.starts].tolist() == [0, 1, 1]
    assert np.abs(frames.images[7:].astype(int) - moving_square(5)).max() <= 1
    few, _ = video.load(tmp_path, most=2)
    assert len(few) == 6


def test_damaged_files(tmp_path):
    path = tmp_path / "Walk" / "a.avi"
    write(path, moving_square(5))
    content = path.read_bytes()
    for part in (content[:200], b"", b"RIFF" + bytes(200)):
        path.write_bytes(part)
        with pytest.raises(DatasetError, match=r"a\.avi: "):
            video.load(tmp_path)
    with pytest.raises(DatasetError, match="no such file"):
        list(video.read_frames(tmp_path / "none.avi", (32, 32)))
    path.write_bytes(content)
    assert len(video.load(tmp_path)[0]) == 5


def test_limits(tmp_path, monkeypatch):
    write(tmp_path / "Walk" / "a.avi", moving_square(5))
    monkeypatch.setattr(video, "_MAX_FRAMES", 4)
    with pytest.raises(DatasetError, match="4 frames"):
        video.load(tmp_path)
    with pytest.raises(DatasetError, match="0 folders"):
        video.load(tmp_path / "Walk")
    with pytest.raises(DatasetError, match="no such folder"):
        video.load(tmp_path / "none")
