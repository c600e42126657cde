"""What is built of the page is that of its sources."""

import filecmp
import re
from hashlib import sha256
from pathlib import Path

import pytest

import maskwright

STUDIO = Path(maskwright.__file__).parent / "studio"
WEB, STATIC = STUDIO / "web", STUDIO / "static"
TOP = ("index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")


def test_the_page_was_built_of_these_sources():
    names = sorted([*TOP, *(f"src/{path.name}" for path in (WEB / "src").iterdir())])
    digest = sha256()
    for name in names:
        digest.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    built = (STATIC / "sources.sha256").read_text().strip()
    assert digest.hexdigest() == built, "run `make front` and commit what it builds"


def test_the_lock_names_no_package_index_and_the_page_fetches_nothing_from_elsewhere():
    lock = (WEB / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert "://" not in re.sub(r'"url": "[^"]*"', "", lock)
    for path in STATIC.rglob("*.*"):
        assert not re.search(r"https?://(?!www\.w3\.org)", path.read_text()), path


@pytest.mark.long
def test_building_again_gives_the_same_files(built_front):
    again = built_front
    built = sorted(p.relative_to(STATIC) for p in STATIC.rglob("*") if p.is_file())
    assert sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file()) == built
    _, differing, missing = filecmp.cmpfiles(STATIC, again, built, shallow=False)
    assert (differing, missing) == ([], [])
