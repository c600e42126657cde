"""Files that are kept on this machine: found again, few, and never needed."""

import os

import pytest

from maskwright.core.cache import CacheFolder

KEPT = CacheFolder("things", most_kept=2)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "maskwright"


def test_what_is_kept_is_read_and_what_is_not_is_none(home):
    assert KEPT.read("a") is None
    assert not KEPT.has("a")
    KEPT.keep("a", b"1")
    assert KEPT.has("a")
    KEPT.keep("a", b"22")
    assert KEPT.read("a") == b"22"
    assert [path.name for path in (home / "things").iterdir()] == ["a"]


def test_a_home_that_cannot_be_written_keeps_nothing(home):
    home.write_text("a file")
    KEPT.keep("a", b"1")
    assert KEPT.read("a") is None


def test_the_file_that_was_not_used_longest_gives_way(home):
    for age, name in enumerate("ba"):
        KEPT.keep(name, b"")
        os.utime(home / "things" / name, (age, age))
    KEPT.read("b")
    KEPT.keep("c", b"")
    assert sorted(path.name for path in (home / "things").iterdir()) == ["b", "c"]
