"""Elements of a large JSON file are read without loading it, and errors name them."""

import json
import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.errors import DataError
from maskwright.data.reading import jsonindex
from maskwright.data.reading.documents import Document
from maskwright.data.reading.jsonindex import index_json

texts = st.text(st.sampled_from('a"\\{}[],:\u00e9\n '), max_size=8)
values = st.recursive(
    st.none() | texts,
    lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3),
    max_leaves=4,
)
objects = st.dictionaries(texts, values, max_size=3)
elements = st.lists(objects | st.lists(values, max_size=3), max_size=4)
keys = st.text(st.sampled_from("abc_{["), min_size=1, max_size=6)


class Item(Document):
    id: int


@pytest.fixture(params=[1, 3, 7, 1 << 22])
def chunk(request, monkeypatch):
    """Bytes that are looked at at once."""
    monkeypatch.setattr(jsonindex, "_CHUNK", request.param)


@given(st.dictionaries(keys, elements | texts | objects, max_size=3))
def test_each_element_equals_what_json_reads(tmp_path_factory, document):
    path = tmp_path_factory.mktemp("json") / "a.json"
    for indent in (None, 1):
        path.write_text(json.dumps(document, indent=indent, ensure_ascii=False), "utf-8")
        content = path.read_bytes()
        spans = index_json(path).spans
        elements = {k: [json.loads(content[a:b]) for a, b in v] for k, v in spans.items()}
        assert elements == {k: v for k, v in document.items() if isinstance(v, list)}


def test_chunks_may_end_anywhere(chunk, tmp_path):
    document = {"a\u00e9": {"b": [[{}]]}, "c": [{"d": 'x"\\'}, {"e": "}\\\\"}, [[1]]], "f": []}
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(document).encode())
    content = (tmp_path / "a.json").read_bytes()
    spans = index_json(tmp_path / "a.json").spans
    assert {k: [json.loads(content[a:b]) for a, b in v] for k, v in spans.items()} == {
        "c": document["c"],
        "f": [],
    }


def test_elements_are_parsed_when_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonindex, "_BATCH", 30)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"items": [{"id": n} for n in range(50)], "n": 1}))
    index = index_json(path)
    assert [item.id for item in index.read_all("items", Item)] == list(range(50))
    assert [i.id for i in index.read_at("items", np.array([41, 3]), Item)] == [41, 3]
    assert list(index.read_all("others", Item)) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is not a JSON object, expected one with 'images'"),
        ("", "is not a JSON object"),
        ('{"items": [{"id": 1}', "it is truncated after 20 bytes"),
        ('{"items": [{"id": 1}], "b": "c', "truncated"),
        ('{"items": []]}', "a closing bracket has no opening one"),
        ('{"items": [{"id": 1}]} {}', r"not valid JSON: .*trailing"),
        ('{"items": [{"id": 1}],, "n": 1}', "not valid JSON"),
        ('{"items": [{"id": 1}], "items": [{"id": 2}]}', "the key 'items' occurs twice"),
        (
            "{" + ",".join(f'"{n}": []' for n in range(1001)) + "}",
            "1,001 values, expected a dataset of at most 1,000",
        ),
    ],
)
def test_a_file_that_is_not_a_json_object_is_refused(text, message, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"a\.json: .*{message}"):
        index_json(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": 1} {"id": 2}', "items.*not valid JSON"),
        ('{"id": 1}, 7, {"id": 2}', r"items.*not valid JSON|items.*elements\.1: "),
        ('{"id": 1}, {"id": "x"}', r"items: elements\.1\.id: .*got 'x'"),
        ('{"id": 1}, {"id" 2}', "items.*not valid JSON"),
        ('{"id": 1}, [2]', r"items: elements\.1: "),
    ],
)
@pytest.mark.parametrize("batch", [4, 1 << 20])
def test_a_wrong_element_is_named(text, message, batch, tmp_path, monkeypatch):
    monkeypatch.setattr(jsonindex, "_BATCH", batch)
    path = tmp_path / "a.json"
    path.write_text(f'{{"items": [{text}]}}')
    with pytest.raises(DataError, match=message if batch > 4 else r"a\.json: items"):
        list(index_json(path).read_all("items", Item))


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "a.json"
    piece = b'{"id": 1, "text": "' + b"x" * 10_000 + b'"}'
    with path.open("wb") as file:
        file.write(b'{"items": [' + piece)
        for _ in range(9999):
            file.write(b"," + piece)
        file.write(b"]}")
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index = index_json(path)
    assert sum(item.id for item in index.read_all("items", Item)) == 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 60_000
