"""JSON of users: what is not JSON, too deep, or a number that nothing can hold is refused."""

import pytest

from maskwright.core.errors import BundleError, DataError
from maskwright.core.jsonfile import parse_json, read_json


def test_a_document_is_read_with_and_without_a_byte_order_mark(tmp_path):
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "a.json").write_bytes(
            start + b'{"a": [1, -2.5, null, 9223372036854775807]}'
        )
        assert read_json(tmp_path / "a.json") == {"a": [1, -2.5, None, (1 << 63) - 1]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "Expecting"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff", "byte 0xff at offset 0"),
        (b"18446744073709551616", "18446744073709551616 does not fit 64 bits"),
        (b"9" * 5000, "does not fit 64 bits"),
        (b"[1e999]", "the number 1e999 is too large"),
        (b"[NaN]", "NaN is not a number"),
    ],
)
def test_what_is_not_json_is_refused_with_the_reason(content, reason):
    with pytest.raises(DataError, match=rf"^a\.json: not valid JSON: .*{reason}") as raised:
        parse_json(content, where="a.json")
    assert len(str(raised.value)) < 200


def test_the_error_is_of_the_type_that_the_caller_asks_for(tmp_path):
    with pytest.raises(BundleError, match=r"none\.json: cannot be read: no such file"):
        read_json(tmp_path / "none.json", error=BundleError)
