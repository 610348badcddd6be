"""What the documents point at exists: links, their anchors, and files that they name."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOTS = [ROOT / part for part in ("", "rtl/quiesce/rtl", "sim/quiesce/sim", "sw/quiesce/sw", "sw/quiesce/sw/compiler")]
"""Where a path that a document names may begin."""
PAGES = sorted(page for pattern in ("*.md", "docs/**/*.md", "models/**/*.md", "sw/**/*.md") for page in ROOT.glob(pattern))
LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`(?!DIR/)([\w./-]+/[\w.-]+\.(?:py|toml|json|md|h|sv|cpp))`")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _text(page: Path) -> str:
    """Without blocks of code, in which brackets are no links."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def _dead(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in _anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_names_resolve(page: Path) -> None:
    text = _text(page)
    links = [link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in links if _dead(page, link)] == []
    if page.name != "CHANGELOG.md":  # which tells of files that have moved since
        names = [name for name in NAMED.findall(text) if not any((root / name).exists() for root in [*ROOTS, page.parent])]
        assert names == []


@pytest.mark.parametrize("part", ["bench", "cli", "models", "rtl", "sim", "spec", "sw", "tests"])
def test_pages_that_sources_name_exist(part: str) -> None:
    named = {
        (source.name, page)
        for source in (ROOT / part).rglob("*.py")
        for page in re.findall(r"\bdocs/[\w/-]+\.\w+", source.read_text(encoding="utf-8"))
    }
    assert [entry for entry in sorted(named) if not (ROOT / entry[1]).exists() and entry[1] != "docs/nowhere.md"] == []


def test_a_dead_link_is_found() -> None:
    assert _dead(ROOT / "README.md", "docs/nowhere.md")
    assert _dead(ROOT / "README.md", "docs/architecture.md#nowhere")
    assert not _dead(ROOT / "README.md", "docs/architecture.md#the-idea")
