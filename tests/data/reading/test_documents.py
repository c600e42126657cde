"""Annotation files are data; an error names the key that is missing, wrong or hostile."""

import pytest

from maskwright.core.errors import DataError
from maskwright.data.reading.documents import Coordinates, Document, Finite, Side, read_json


class Part(Document):
    points: Coordinates
    size: Side = 1


class Whole(Document):
    name: str
    parts: tuple[Part, ...] = ()
    scale: Finite = 1


def test_keys_that_the_model_does_not_name_are_skipped(tmp_path):
    (tmp_path / "a.json").write_text('{"name": "x", "parts": [{"points": [1, 2.5]}], "y": 0}')
    whole = read_json(tmp_path / "a.json", Whole)
    assert whole == Whole(name="x", parts=(Part(points=(1, 2.5)),))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"name": "x"', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"nam": "x"}', "name: Field required"),
        (
            b'{"name": "x", "parts": [{"points": [1, 2, 3]}]}',
            r"parts.*3 coordinates",
        ),
        (b'{"name": "x", "parts": [{"points": [1, "a"]}]}', r"parts\.0\.points\.1: Input"),
        (b'{"name": "x", "parts": [{"points": [], "size": -4}]}', r"parts\.0\.size"),
        (b'{"name": "x", "parts": [{"points": [], "size": 1e12}]}', r"parts\.0\.size"),
        (b'{"name": "x", "scale": NaN}', "scale: .*finite"),
        (b'{"name": "x", "scale": 1e999}', "scale: .*finite"),
        (b"\xff\x00", "not valid JSON"),
    ],
)
def test_an_error_names_the_path_of_the_key(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.json: {message}") as refusal:
        read_json(tmp_path / "a.json", Whole)
    assert len(str(refusal.value)) < 400


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none: cannot be read: no such file"):
        read_json(tmp_path / "none", Whole)


def test_json_in_utf_16_is_named_with_the_fix(tmp_path):
    (tmp_path / "a.json").write_bytes('{"a": 1}'.encode("utf-16"))
    with pytest.raises(DataError, match=r"a\.json: .* it is UTF-16, .*; save the file as UTF"):
        read_json(tmp_path / "a.json", Whole)
