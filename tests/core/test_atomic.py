"""Files appear whole or not at all, and the system's refusals are explained."""

from pathlib import Path

import pytest

from maskwright.core.atomic import (
    new_folder,
    write_bytes,
    write_json,
    write_text,
)
from maskwright.core.errors import OutputError


def test_file_replaces_the_old_one_and_leaves_no_neighbour(tmp_path):
    path = tmp_path / "new/a.txt"
    write_text(path, "old")
    write_text(path, "grün")
    assert path.read_text(encoding="utf-8") == "grün"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]
    assert path.stat().st_mode & 0o444


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


def test_new_folder_replaces_the_old_one_whole(tmp_path):
    for name in ("old", "new"):
        with new_folder(tmp_path / "out") as staging:
            (staging / name).touch()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["new"]


def test_failing_block_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        _write_and_fail(tmp_path / "deep/out")
    assert not (tmp_path / "deep/out").exists()


def test_file_in_the_way_is_explained(tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="there is a file where a folder is needed"):
        write_bytes(tmp_path / "out/a", b"")


def test_full_disk_is_explained_and_leaves_nothing(mounted):
    disk = mounted("size=64k")
    with pytest.raises(OutputError, match="out: cannot write: the disk is full"):
        _fill(disk / "out")
    with pytest.raises(OutputError, match="the disk is full"):
        write_bytes(disk / "a.bin", bytes(200_000))
    assert list(disk.iterdir()) == []


def _write_and_fail(out: Path):
    with new_folder(out) as staging:
        (staging / "a").touch()
        (staging / "missing").read_bytes()


def _fill(out: Path):
    with new_folder(out) as staging:
        for number in range(100):
            (staging / str(number)).write_bytes(bytes(4096))


def test_read_only_folder_is_explained(mounted):
    disk = mounted("ro")
    with pytest.raises(OutputError, match="the file system is read-only") as caught:
        write_bytes(disk / "out/a", b"")
    assert "choose another output folder" in str(caught.value)
