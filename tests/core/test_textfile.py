"""Text of users: UTF-8 with or without a byte order mark; anything else is refused."""

import os

import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.core.textfile import decode_text, read_text


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf1 road\r\n")
    assert read_text(tmp_path / "a.txt") == "1 road\r\n"


def test_a_byte_that_is_not_utf_8_is_named_with_its_line_and_the_fix():
    for mark in (b"", b"\xef\xbb\xbf"):
        content = mark + b"road\n\xb3\xb5\n"
        with pytest.raises(
            ConfigError,
            match=rf"names: cannot be read as UTF-8 text: byte 0xb3 at offset {5 + len(mark)} "
            rf"\(line 2\); save the file as UTF-8",
        ):
            decode_text(content, where="names", error=ConfigError)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_named(encoding):
    with pytest.raises(
        DataError, match=r"it is UTF-16, its first bytes are (ff fe|fe ff); save"
    ):
        decode_text("\ufeff1 road".encode(encoding), where="names")


def test_a_pipe_a_folder_and_too_large_a_file_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"123456")
    with pytest.raises(DataError, match="pipe: cannot be read: it is a named pipe"):
        read_text(tmp_path / "pipe")
    with pytest.raises(DataError, match="it is a folder"):
        read_text(tmp_path)
    with pytest.raises(DataError, match="large: 6 bytes, expected at most 5"):
        read_text(tmp_path / "large", most_bytes=5)
