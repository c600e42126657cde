"""Archives that unpack to far more than they have: refused while their members are listed."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile

import pytest

from maskwright.core.errors import DataError
from maskwright.data.reading.archive import open_as_folder

_ZEROS = bytes(1 << 20)


def _refuse(path, reason):
    """Refused in one line, without memory for what it says it holds."""
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=reason) as raised, open_as_folder(path):
            pass
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
    finally:
        tracemalloc.stop()
    assert str(path) in str(raised.value)


def _header(name, size, kind=tarfile.REGTYPE):
    item = tarfile.TarInfo(name)
    item.size, item.type = size, kind
    return item.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_of_gigabytes_is_refused_before_it_is_read(tmp_path, kind):
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(_header("x", 3 << 30, kind))
        for _ in range(64):
            file.write(_ZEROS)
    _refuse(path, r"a header of 3,221,225,472 bytes, expected at most")


@pytest.mark.parametrize(
    ("ending", "packed"), [("bz2", bz2.open), ("gz", gzip.open), ("xz", lzma.open)]
)
def test_a_member_that_states_200_gigabytes_is_refused_at_its_header(tmp_path, ending, packed):
    path = tmp_path / f"a.tar.{ending}"
    with packed(path, "wb") as file:
        file.write(_header("x.png", 200 << 30))
        file.write(_ZEROS)
    _refuse(path, "unpack to 214,748,364,800 or more in 1 or more files")


def test_a_million_headers_in_a_few_kilobytes_are_refused_at_the_first_too_many(tmp_path):
    path = tmp_path / "a.tar.xz"
    with lzma.open(path, "wb", preset=1) as file:
        for start in range(0, 30_000, 100):
            file.write(b"".join(_header(f"{start + i:07}", 0) for i in range(100)))
    _refuse(path, "in 10,001 or more files")


def test_many_extended_headers_without_a_member_are_damage(tmp_path):
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", 1) as file:
        for _ in range(5000):
            file.write(_header("x", 0, tarfile.XHDTYPE))
    _refuse(path, "the archive is damaged")


def test_a_zip_file_of_two_hundred_gigabytes_or_of_a_huge_table_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.png", bytes(1000))
    content = bytearray(path.read_bytes())
    table, ending = content.rfind(b"PK\1\2"), content.rfind(b"PK\5\6")
    forged = content.copy()
    forged[table + 24 : table + 28] = struct.pack("<I", 0xFFFF_FFF0)
    path.write_bytes(forged)
    _refuse(path, "unpack to 4,294,967,280 or more in 1 or more files")
    forged = content.copy()
    forged[ending + 12 : ending + 16] = struct.pack("<I", 1 << 30)
    path.write_bytes(forged)
    _refuse(path, "its table of members has 1,073,741,824 bytes")


def test_a_pipe_named_like_an_archive_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    os.mkfifo(path)
    with pytest.raises(DataError, match="it is a named pipe"), open_as_folder(path):
        pass


def test_a_member_with_a_name_that_no_file_system_holds_is_named(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("x" * 300), io.BytesIO())
    _refuse(path, "a name that this file system does not hold")


def test_archives_of_every_kind_are_still_unpacked(tmp_path):
    for mode in ("gz", "bz2", "xz", ""):
        path = tmp_path / f"a.tar.{mode}".rstrip(".")
        with tarfile.open(path, f"w:{mode}") as archive:
            for name in ("d/one", "d/two"):
                item = tarfile.TarInfo(name)
                item.size = 3 << 20
                archive.addfile(item, io.BytesIO(name.encode() * ((3 << 20) // len(name) + 1)))
        with open_as_folder(path) as folder:
            assert (folder / "two").read_bytes()[:10] == b"d/twod/two"
