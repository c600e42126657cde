"""An archive is a dataset for every verb that reads one; nothing of it is left behind."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from maskwright.core.errors import DataError
from maskwright.data.dataset import open_dataset
from maskwright.data.reading.unpacked import keep_as_folder


@pytest.fixture
def archive(write, pairs, tmp_path):
    write({f"d/{name}": content for name, content in pairs(8).items()})
    return shutil.make_archive(str(tmp_path / "d"), "zip", tmp_path / "d")


def test_an_archive_is_opened_with_the_splits_of_its_folder(archive, tmp_path):
    zipped, folder = open_dataset(archive), open_dataset(tmp_path / "d")
    assert zipped.source == archive
    assert zipped.splits == folder.splits
    assert [zipped.split_of(n) for n in range(8)] == [folder.split_of(n) for n in range(8)]
    assert zipped.subset("train")[0].image_HWC.shape == (12, 16, 3)
    assert not any("written to" in note for note in zipped.notes)


def test_an_archive_is_unpacked_once_and_again_where_it_changed(archive, tmp_path):
    path = tmp_path / "d.zip"
    first = keep_as_folder(path)
    assert keep_as_folder(path) == first
    path.write_bytes(path.read_bytes() + b"\0")
    assert keep_as_folder(path) != first


def test_errors_name_the_archive(write, pairs, tmp_path):
    files = pairs(4)
    del files["masks/im00.png"]
    write({f"d/{name}": content for name, content in files.items()})
    path = shutil.make_archive(str(tmp_path / "d"), "zip", tmp_path / "d")
    with pytest.raises(DataError) as refusal:
        open_dataset(path)
    assert str(refusal.value).startswith(f"{path}/images/im00.png has no mask")
    assert f"move the images out of {path}" in str(refusal.value)


def test_the_folder_is_deleted_when_the_process_ends(archive):
    code = (
        "import sys; from maskwright.data.dataset import open_dataset; "
        "print(open_dataset(sys.argv[1]).entries[0].image.file.parents[1])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, archive], capture_output=True, text=True, check=True
    )
    assert not Path(run.stdout.strip()).exists()


@pytest.fixture
def store(archive, tmp_path):
    """The folder of the archive, and the archive, in a store in memory."""
    fsspec = pytest.importorskip("fsspec")
    files = fsspec.filesystem("memory")
    files.store.clear()
    for path in (tmp_path / "d").rglob("*.*"):
        name = path.relative_to(tmp_path).as_posix()
        files.pipe_file(f"/bucket/{name}", path.read_bytes())
    files.pipe_file("/bucket/d.zip", (tmp_path / "d.zip").read_bytes())
    yield files
    files.store.clear()


@pytest.mark.parametrize("name", ["d", "d.zip"])
def test_an_address_is_opened_with_the_content_of_its_folder(store, tmp_path, name):
    address = f"memory://bucket/{name}"
    stored, folder = open_dataset(address), open_dataset(tmp_path / "d")
    assert stored.source == address
    assert (stored.splits, stored.keys) == (folder.splits, folder.keys)
    assert stored.fingerprint == folder.fingerprint
    store.rm("/bucket", recursive=True)
    assert open_dataset(address).fingerprint == folder.fingerprint  # it is copied once


def test_errors_name_the_address(store):
    with pytest.raises(DataError, match=r"memory://bucket/none: no such file or folder"):
        open_dataset("memory://bucket/none")
    store.rm("/bucket/d/masks/im00.png")
    store.pipe_file("/bucket/bad/images/a.png", b"")
    store.pipe_file("/bucket/bad/masks/a.png", b"")
    with pytest.raises(DataError, match=r"memory://bucket/bad/"):
        open_dataset("memory://bucket/bad")


def test_a_path_of_this_machine_may_be_an_address(archive, tmp_path):
    assert open_dataset(f"file://{tmp_path / 'd'}").source == str(tmp_path / "d")
