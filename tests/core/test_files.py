"""Files of users: regular ones are opened, all others are refused before they are opened."""

import os
import socket
import subprocess
import sys

import pytest

from maskwright.core.errors import BundleError, DataError
from maskwright.core.files import keep_unchanged, open_file, require_file

MOST = 1 << 20


def test_a_regular_file_and_a_link_to_it_are_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    assert require_file(tmp_path / "a", most_bytes=3) == 3
    with open_file(tmp_path / "link", most_bytes=3) as file:
        assert file.read() == b"abc"


def test_pipes_devices_sockets_and_folders_are_refused_before_they_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name, kind in (
            ("pipe", "a named pipe"),
            ("endless", "a device"),
            ("socket", "a socket"),
            (".", "a folder"),
        ):
            with pytest.raises(DataError, match=f"it is {kind}, expected a regular file"):
                require_file(tmp_path / name, most_bytes=MOST)


def test_missing_files_loops_and_long_names_are_refused_with_the_reason(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, reason in (
        ("none", "no such file"),
        ("dangling", "no such file"),
        ("loop", "it is a link that leads to itself"),
        ("x" * 300, "the name is too long for the file system"),
        ("a\0b", "a name with a null byte"),
    ):
        with pytest.raises(BundleError, match=reason):
            require_file(tmp_path / name, most_bytes=MOST, error=BundleError)


def test_a_larger_file_is_refused_with_both_sizes(tmp_path):
    with (tmp_path / "a").open("wb") as file:
        file.truncate(MOST + 1)
    with pytest.raises(DataError, match=r"a: 1,048,577 bytes, expected at most 1,048,576"):
        require_file(tmp_path / "a", most_bytes=MOST)


def test_a_file_that_this_user_may_not_read_is_refused_with_the_fix(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "a").chmod(0)
    script = (
        "import os, sys; from pathlib import Path;"
        "from maskwright.core.errors import DataError;"
        "from maskwright.core.files import open_file\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try:\n with open_file(Path('a'), most_bytes=9): pass\n"
        "except DataError as error: print(error)"
    )
    read = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert read.stdout == "a: cannot be read: permission denied; make it readable\n"


def test_what_is_read_from_a_file_is_kept_until_the_file_changes(tmp_path):
    reads = []

    @keep_unchanged(4)
    def read(path):
        reads.append(path)
        return path.read_text()

    file = tmp_path / "a"
    file.write_text("one")
    assert (read(file), read(file), reads) == ("one", "one", [file])
    file.write_text("three")
    assert (read(file), len(reads)) == ("three", 2)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read(file)
