"""What is installed: roots of sources, pins, the wheel and what it can do on its own, and the check of the system."""

import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("bench", "cli", "models", "rtl", "sim", "spec", "sw")
SHIPPED = {".py", ".sv", ".vlt", ".cpp", ".h", ".toml", ".json", ".safetensors", ".npz", ".md"}

# Runs on the wheel alone: no site, so neither the working tree nor an installed copy is on the path; no torch.
ALONE = """
import sys
sys.path[:0] = sys.argv[1:3]
sys.modules["torch"] = None
import quiesce.cli.main, quiesce.rtl.verilog.emit, quiesce.sim, quiesce.models
from quiesce.sw.data import mnist
from quiesce.sim import cosim
assert len(mnist.sample()) > 0
for name in quiesce.models.names():
    quiesce.models.load(name)
places = {module.__file__ for name, module in sys.modules.items() if name.startswith("quiesce.") and module.__file__}
assert places and all(place.startswith(sys.argv[1]) for place in places), places
print(*quiesce.models.names())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the sources, offline."""
    source = tmp_path_factory.mktemp("source")
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__", "*.checkpoint"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(out), str(source)], check=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_each_root_of_sources_holds_its_part_of_the_namespace_alone() -> None:
    for part in PARTS:
        assert [path.name for path in (ROOT / part).iterdir()] == ["quiesce"]
        assert [path.name for path in (ROOT / part / "quiesce").iterdir() if path.name != "__pycache__"] == [part]


def test_no_links() -> None:
    """Where Git writes a symbolic link as a file, the package must be whole all the same."""
    listed = subprocess.run(["git", "ls-files", "--stage"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [line for line in listed.stdout.splitlines() if line.startswith("120000")]


def test_a_clone_without_links_installs_whole(tmp_path: Path) -> None:
    """Git of Windows writes links as files: neither the wheel nor an editable installation may need one."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "-c", "core.symlinks=false", str(ROOT), str(clone)], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    for options in (["--no-build-isolation"], ["--no-build-isolation", "--editable"]):
        target = tmp_path / f"with {len(options)}"
        subprocess.run([*install, "--target", str(target), *options, str(clone)], check=True)
        pth = next(target.glob("*quiesce*.pth"), None)
        roots = pth.read_text().splitlines() if pth else [str(target)]
        found = {path.relative_to(root) for root in map(Path, roots) for path in (root / "quiesce").rglob("*.py")}
        expected = {path.relative_to(clone / part) for part in PARTS for path in (clone / part / "quiesce").rglob("*.py")}
        assert found == expected and len(found) > 200


def test_no_module_has_two_names() -> None:
    """A folder that is on the path and lies within another one there, or a package within itself, would give its modules two."""
    roots = [(ROOT / part).resolve() for part in PARTS]
    assert len(set(roots)) == len(roots)
    assert not [(one, other) for one in roots for other in roots if one in other.parents]
    names = [".".join(path.relative_to(root).with_suffix("").parts) for root in roots for path in root.rglob("*.py")]
    assert len(set(names)) == len(names) and all(name.startswith("quiesce.") for name in names)
    inodes = {(path.stat().st_dev, path.stat().st_ino) for root in roots for path in root.rglob("*.py")}
    assert len(inodes) == len(names)


def test_wheel_holds_all_sources_and_data_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = {
        str(path.relative_to(ROOT / part))
        for part in PARTS
        for path in (ROOT / part).rglob("*")
        if path.suffix in SHIPPED and "__pycache__" not in path.parts
    }
    assert held == files
    assert {f"quiesce/{name}" for name in ("sim/hdl/tb.sv", "sim/hdl/cocotb_main.cpp", "sw/data/mnist_sample.npz")} <= held
    assert any(name.endswith("/licenses/LICENSE") for name in wheel.namelist())


def test_wheel_works_without_torch(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path)
    packages = sysconfig.get_paths()["purelib"]
    command = [sys.executable, "-I", "-S", "-c", ALONE, str(tmp_path), packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted(path.stem for path in (ROOT / "models" / "quiesce" / "models").glob("*.safetensors"))


def test_new_modules_are_found_without_installing_again() -> None:
    (pth,) = Path(sysconfig.get_paths()["purelib"]).glob("*quiesce*.pth")
    roots = [Path(line) for line in pth.read_text().splitlines()]
    assert {root.name for root in roots} == set(PARTS) and all(root.samefile(ROOT / root.name) for root in roots)


def test_every_dependency_is_pinned_within_its_range() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    versions = {re.sub("[-_.]+", "-", pin.name).lower(): next(iter(pin.specifier)) for pin in pins}
    assert len(versions) == len(pins)
    for requirement in map(Requirement, texts):
        pin = versions[requirement.name.lower()]
        assert pin.operator == "=="
        assert pin.version in requirement.specifier, f"{requirement.name} {pin.version}"


def test_system_check_is_silent_when_all_is_there() -> None:
    done = subprocess.run([ROOT / "scripts" / "check-system"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_system_check_names_each_missing_tool_in_a_line(tmp_path: Path) -> None:
    command = ["/bin/sh", ROOT / "scripts" / "check-system"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)})
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert [re.match(r"quiesce: missing: ([\w+]+).*\(?install ", line)[1] for line in lines] == ["python3", "g++", "make", "perl"]


def test_system_check_wants_a_recent_python(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = [ROOT / "scripts" / "check-system"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)})
    assert done.returncode == 1
    assert done.stderr.startswith("quiesce: missing: Python 3.11 or later")
