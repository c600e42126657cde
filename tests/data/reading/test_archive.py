"""Archives open as temporary folders; unsafe ones are refused before a byte is written."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from maskwright.core.errors import DataError
from maskwright.data.reading.archive import open_as_folder


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    """Where archives are unpacked; empty again after each test."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


@pytest.mark.parametrize("make", [zipped, tarred])
def test_an_archive_stands_for_the_folder_in_it(tmp_path, make):
    path = make(tmp_path / f"a.{'zip' if make is zipped else 'tar.gz'}", {"d/x/1.txt": b"one"})
    with open_as_folder(path) as folder:
        assert folder.name == "d"
        assert (folder / "x/1.txt").read_bytes() == b"one"
    assert not folder.exists()


def test_an_archive_of_several_files_becomes_a_folder(tmp_path):
    with open_as_folder(zipped(tmp_path / "a.zip", {"x/1": b"", "y": b"2"})) as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["x", "y"]


def test_a_folder_is_yielded_unchanged(tmp_path):
    with open_as_folder(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize(
    "name", ["../a", "x/../../a", "/etc/a", "..\\a", "C:\\a", "C:a", "x\\..\\..\\a"]
)
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_member_outside_is_refused(tmp_path, make, name):
    path = make(tmp_path / f"a.{'zip' if make is zipped else 'tgz'}", {"b": b"", name: b"x"})
    with pytest.raises(DataError, match="would lie outside"), open_as_folder(path):
        pass
    assert not (tmp_path / "a").exists()


def test_links_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        item = tarfile.TarInfo("passwords")
        item.type, item.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(item)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("passwords")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    for name in ("a.tar", "a.zip"):
        with (
            pytest.raises(DataError, match=r"'passwords' is a link"),
            open_as_folder(tmp_path / name),
        ):
            pass


def test_a_member_that_occurs_twice_is_refused(tmp_path):
    path = tarred(tmp_path / "a.tar", {"x": b"1"}, "w")
    with tarfile.open(path, "a") as archive:
        archive.addfile(tarfile.TarInfo("x"))
    with pytest.raises(DataError, match="'x' occurs twice"), open_as_folder(path):
        pass


def test_a_bomb_is_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "a.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("zeros", "w", force_zip64=True) as file,
    ):
        for _ in range(1100):
            file.write(bytes(1 << 20))
    with (
        pytest.raises(DataError, match=r"unpack to 1,153,433,600 or more in 1 or more files"),
        open_as_folder(path),
    ):
        pass


@pytest.mark.parametrize("cut", [10, 60, -30])
@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_damaged_archive_is_named(tmp_path, make, cut):
    path = make(tmp_path / f"a.{'zip' if make is zipped else 'tgz'}", {"x": bytes(range(200))})
    path.write_bytes(path.read_bytes()[:cut])
    with (
        pytest.raises(DataError, match=r"a\.(zip|tgz): the archive is damaged"),
        open_as_folder(path),
    ):
        pass


def test_a_false_size_is_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", {"x": b"abc" * 1000})
    content = bytearray(path.read_bytes())
    for start in (22, content.rfind(b"PK\x01\x02") + 24):
        content[start : start + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip"), open_as_folder(path):
        pass


def test_a_file_that_is_not_an_archive_is_yielded_unchanged(tmp_path):
    path = tmp_path / "dataset.yaml"
    path.write_text("")
    with open_as_folder(Path(path)) as same:
        assert same == path
