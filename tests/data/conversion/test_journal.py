"""A conversion resumes where its journal ends; an incomplete last line is dropped."""

from maskwright.data.conversion.journal import NAME, Journal

HEAD = {"work": "a", "colours": [(1, 2, 3)]}


def line(key, **lost):
    return {"key": key, "record": {}, "lost": lost, "before": {}, "after": {}}


def test_a_journal_opened_again_knows_what_is_done(tmp_path):
    journal = Journal(tmp_path / "w", HEAD)
    journal.add(line("a", x=1))
    journal.add(line("b"))
    again = Journal(tmp_path / "w", HEAD)
    assert again.done == {"a", "b"}
    assert list(again.lines()) == [line("a", x=1), line("b")]


def test_an_incomplete_last_line_is_dropped(tmp_path):
    Journal(tmp_path / "w", HEAD).add(line("a"))
    with (tmp_path / "w" / NAME).open("a") as file:
        file.write('{"key": "b", "los' + "x" * (1 << 17))
    again = Journal(tmp_path / "w", HEAD)
    assert again.done == {"a"}
    again.add(line("c"))
    assert [done["key"] for done in again.lines()] == ["a", "c"]


def test_another_conversion_empties_the_folder(tmp_path):
    Journal(tmp_path / "w", HEAD).add(line("a"))
    (tmp_path / "w" / "a.png").write_bytes(b"")
    assert Journal(tmp_path / "w", {"work": "b"}).done == set()
    assert [path.name for path in (tmp_path / "w").iterdir()] == [NAME]


def test_at_the_end_the_journal_is_removed(tmp_path):
    Journal(tmp_path / "w", HEAD).end()
    assert list((tmp_path / "w").iterdir()) == []
