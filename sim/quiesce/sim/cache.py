"""Content-addressed folder of build products, safe with several processes at once."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["cache_dir", "cached", "content_key"]


def cache_dir() -> Path:
    """Where build products are kept: ``$QUIESCE_CACHE``, else ``$XDG_CACHE_HOME/quiesce``, else ``~/.cache/quiesce``."""
    if override := os.environ.get("QUIESCE_CACHE"):
        return Path(override).absolute()
    # The base directory specification: a relative XDG path is to be ignored.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "quiesce"


def content_key(parts: Mapping[str, str | bytes]) -> str:
    """Name of whatever is made from ``parts``: 24 hexadecimal digits that change with any name or content."""
    digest = hashlib.sha256()
    for name in sorted(parts):
        content = parts[name]
        data = content.encode() if isinstance(content, str) else content
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:24]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(kind: str, key: str, make: Callable[[Path], None]) -> tuple[Path, bool]:
    """Folder ``kind/key`` of the cache, made by ``make(folder)`` if it is not there yet.

    A folder appears complete or not at all: it is made under another name and then renamed. Processes that want the
    same key wait for the one that makes it.

    Returns
    -------
    folder : Path
    hit : bool
        Whether it was there already.
    """
    root = cache_dir() / kind
    folder = root / key
    if folder.is_dir():
        return folder, True
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / f"{key}.lock"):
        if folder.is_dir():
            return folder, True
        # Left by processes that were killed: the lock is ours, so nobody waits for them. A compiler that outlived its parent may
        # still be writing into one, which then stays until the next time; a name of our own keeps it out of what we make.
        for left in root.glob(f"{key}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        partial = Path(mkdtemp(prefix=f"{key}.", suffix=".partial", dir=root))
        partial.chmod(0o755)
        try:
            make(partial)
            partial.rename(folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder, False
