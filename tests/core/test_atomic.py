"""Files appear whole or not at all, and the system's refusals are explained."""

from pathlib import Path

import pytest

from maskwright.core.atomic import (
    into_folder,
    new_folder,
    require_writable,
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


@pytest.mark.parametrize("open_folder", [new_folder, into_folder])
def test_failing_block_leaves_nothing(tmp_path, open_folder):
    with pytest.raises(FileNotFoundError):
        _write_and_fail(open_folder, tmp_path / "deep/out")
    assert not (tmp_path / "deep/out").exists()


def test_into_folder_replaces_only_files_of_the_same_name(tmp_path):
    out = tmp_path / "out"
    write_text(out / "mine.txt", "mine")
    write_text(out / "maps/a.png", "old")
    write_text(out / "maps/b.png", "stays")
    with into_folder(out) as staging:
        (staging / "maps").mkdir()
        (staging / "maps/a.png").write_text("new")
        assert (out / "maps/a.png").read_text() == "old"
    found = {p.name: p.read_text() for p in out.rglob("*") if p.is_file()}
    assert found == {"mine.txt": "mine", "a.png": "new", "b.png": "stays"}


def test_file_in_the_way_is_explained(tmp_path):
    (tmp_path / "out").touch()
    for write in (require_writable, lambda path: write_bytes(path / "a", b"")):
        with pytest.raises(OutputError, match="there is a file where a folder is needed"):
            write(tmp_path / "out")


def test_asking_whether_a_folder_is_writable_leaves_no_trace(tmp_path):
    require_writable(tmp_path / "deep/out")
    require_writable(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("open_folder", [new_folder, into_folder])
def test_full_disk_is_explained_and_leaves_nothing(mounted, open_folder):
    disk = mounted("size=64k")
    with pytest.raises(OutputError, match="out: cannot write: the disk is full"):
        _fill(open_folder, disk / "out")
    with pytest.raises(OutputError, match="the disk is full"):
        write_bytes(disk / "a.bin", bytes(200_000))
    assert list(disk.iterdir()) == []


def _write_and_fail(open_folder, out: Path):
    with open_folder(out) as staging:
        (staging / "a").touch()
        (staging / "missing").read_bytes()


def _fill(open_folder, out: Path):
    with open_folder(out) as staging:
        for number in range(100):
            (staging / str(number)).write_bytes(bytes(4096))


def test_read_only_folder_is_explained(mounted):
    disk = mounted("ro")
    for write in (require_writable, lambda path: write_bytes(path / "a", b"")):
        with pytest.raises(OutputError, match="the file system is read-only") as caught:
            write(disk / "out")
        assert "choose another output folder" in str(caught.value)
