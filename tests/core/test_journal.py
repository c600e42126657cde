"""A journal knows which inputs are done, and notices that one has changed since."""

import os

import pytest

from maskwright.core.errors import DataError, OutputError
from maskwright.core.journal import NAME, Journal, describe_content, matches_head, read_head

HEAD = {"work": "a", "colours": [(1, 2, 3)]}


def keys(journal):
    return [line["key"] for line in journal.lines()]


def test_a_journal_opened_again_has_its_lines(tmp_path):
    journal = Journal(tmp_path, HEAD)
    journal.add({"key": "a", "x": 1})
    journal.add({"key": "b"})
    assert list(Journal(tmp_path, HEAD).lines()) == [{"key": "a", "x": 1}, {"key": "b"}]
    assert matches_head(read_head(tmp_path), HEAD)
    assert not matches_head(read_head(tmp_path), {"work": "b"})


def test_an_incomplete_last_line_is_dropped(tmp_path):
    Journal(tmp_path, HEAD).add({"key": "a"})
    with (tmp_path / NAME).open("a") as file:
        file.write('{"key": "b", "los' + "x" * (1 << 17))
    again = Journal(tmp_path, HEAD)
    again.add({"key": "c"})
    assert keys(again) == ["a", "c"]


def test_at_the_end_the_journal_is_removed(tmp_path):
    Journal(tmp_path, HEAD).end()
    assert list(tmp_path.iterdir()) == []


def test_an_input_that_changed_at_equal_size_is_not_done(tmp_path):
    files = {key: [tmp_path / f"{key}.png"] for key in "abc"}
    journal = Journal(tmp_path, HEAD)
    for key, (path,) in files.items():
        path.write_bytes(b"old")
        journal.add({"key": key, "read": describe_content([path])})
    (changed,) = files["b"]
    before = changed.stat()
    changed.write_bytes(b"new")
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert journal.find_done(files.get) == {"a", "c"}
    assert keys(journal) == ["a", "c"]
    assert keys(Journal(tmp_path, HEAD)) == ["a", "c"]


def test_a_line_of_what_is_not_an_input_is_refused(tmp_path):
    journal = Journal(tmp_path, HEAD)
    journal.add({"key": "a", "read": []})
    with pytest.raises(OutputError, match="has results of 'a', which is not an input now"):
        journal.find_done({}.get)


def test_content_is_size_and_sha_256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert describe_content([tmp_path / "a"]) == [[3, sha256]]
    with pytest.raises(DataError, match="none: cannot be read: no such file"):
        describe_content([tmp_path / "none"])


def test_a_damaged_journal_is_refused_with_the_fix(tmp_path):
    Journal(tmp_path, HEAD)
    with (tmp_path / NAME).open("a") as file:
        file.write("not JSON\n")
    with pytest.raises(OutputError, match=r"the journal is damaged .* and begin again"):
        list(Journal(tmp_path, HEAD).lines())
