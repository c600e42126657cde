"""A journal goes on where the work was broken off, and forgets half a line."""

from maskwright.data.conversion.journal import NAME, Journal

HEAD = {"work": "a", "colours": [(1, 2, 3)]}


def test_what_is_done_is_known_again(tmp_path):
    journal = Journal(tmp_path / "w", HEAD)
    journal.add("a", lost={"x": 1})
    journal.add("b", lost={})
    again = Journal(tmp_path / "w", HEAD)
    assert again.done == {"a", "b"}
    assert list(again.lines()) == [{"key": "a", "lost": {"x": 1}}, {"key": "b", "lost": {}}]


def test_a_line_broken_off_is_forgotten(tmp_path):
    Journal(tmp_path / "w", HEAD).add("a")
    with (tmp_path / "w" / NAME).open("a") as file:
        file.write('{"key": "b", "los' + "x" * (1 << 17))
    again = Journal(tmp_path / "w", HEAD)
    assert again.done == {"a"}
    again.add("c")
    assert [line["key"] for line in again.lines()] == ["a", "c"]


def test_another_work_empties_the_folder(tmp_path):
    Journal(tmp_path / "w", HEAD).add("a")
    (tmp_path / "w" / "a.png").write_bytes(b"")
    assert Journal(tmp_path / "w", {"work": "b"}).done == set()
    assert [path.name for path in (tmp_path / "w").iterdir()] == [NAME]


def test_at_its_end_it_is_gone(tmp_path):
    Journal(tmp_path / "w", HEAD).end()
    assert list((tmp_path / "w").iterdir()) == []
