"""Cache of build products: keys, atomicity, concurrency."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from quiesce.sim import core_text
from quiesce.sim.cache import cache_dir, cached, content_key


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUIESCE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_place_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("QUIESCE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "quiesce"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == Path.home() / ".cache" / "quiesce"


def test_key_depends_on_every_name_and_content() -> None:
    keys = [content_key(parts) for parts in ({"a": "bc"}, {"a": "b", "c": ""}, {"ab": "c"}, {"a": "bd"}, {})]
    assert len(set(keys)) == len(keys)
    assert content_key({"x": "1", "y": b"2"}) == content_key({"y": "2", "x": b"1"})


def test_made_once(own_cache: Path) -> None:
    made: list[Path] = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "product").write_text("done")

    first, second = cached("kind", "key", make), cached("kind", "key", make)
    assert (first[1], second[1]) == (False, True)
    assert first[0] == second[0] == own_cache / "kind" / "key"
    assert (first[0] / "product").read_text() == "done"
    assert len(made) == 1 and not made[0].exists()


def test_a_failed_build_leaves_nothing(own_cache: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cached("kind", "key", fail)
    assert [path.name for path in (own_cache / "kind").iterdir()] == ["key.lock"]


def test_what_a_killed_build_left_is_removed(own_cache: Path) -> None:
    (own_cache / "kind" / "key.a1.partial" / "old").mkdir(parents=True)
    other = own_cache / "kind" / "key2.a1.partial"
    other.mkdir()
    folder, hit = cached("kind", "key", lambda partial: (partial / "new").touch())
    assert not hit
    assert os.listdir(folder) == ["new"]
    assert sorted(os.listdir(folder.parent)) == ["key", "key.lock", "key2.a1.partial"]


def test_what_cannot_be_removed_is_no_hindrance(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a compiler whose parent was killed goes on writing."""
    left = own_cache / "kind" / "key.a1.partial"
    left.mkdir(parents=True)
    monkeypatch.setattr(shutil, "rmtree", lambda path, ignore_errors: None)
    folder, hit = cached("kind", "key", lambda partial: (partial / "new").touch())
    assert not hit and left.is_dir()
    assert os.listdir(folder) == ["new"]


def test_builders_at_the_same_time_wait_for_the_first() -> None:
    started, release, results = threading.Event(), threading.Event(), []

    def make(folder: Path) -> None:
        started.set()
        assert release.wait(10)

    threads = [threading.Thread(target=lambda: results.append(cached("kind", "key", make))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert started.wait(10)
    release.set()
    for thread in threads:
        thread.join()
    assert sorted(hit for _, hit in results) == [False, True, True]


def test_the_key_of_a_core_covers_sources_in_all_folders():
    root = Path(__file__).parents[2]
    folders = {"quiesce.rtl": root / "rtl" / "quiesce" / "rtl", "quiesce.spec": root / "spec" / "quiesce" / "spec"}
    files = {f"{name}/{path.relative_to(folder)}" for name, folder in folders.items() for path in folder.rglob("*.py")}
    assert "quiesce.rtl/pe/walker.py" in files and files <= set(core_text._sources())
