"""Lines of short text files."""

import pytest

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.reading.text import read_lines


def test_a_byte_order_mark_and_both_line_ends_are_read(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbfroad\r\ncaf\xc3\xa9\n")
    assert read_lines(path, error=ConfigError) == ["road", "caf\u00e9"]


@pytest.mark.parametrize("error", [ConfigError, DataError])
def test_an_unreadable_file_raises_the_given_error(error, tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(error, match=r"names\.txt: cannot be read as UTF-8 text: .*0xe9"):
        read_lines(path, error=error)
    with pytest.raises(error, match=r"gone\.txt: cannot be read: no such file"):
        read_lines(tmp_path / "gone.txt", error=error)
