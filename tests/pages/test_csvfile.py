"""CSV for spreadsheets: no cell is a formula, and every text comes back as it was."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core.errors import DataError
from maskwright.pages.csvfile import (
    neutralize_cell,
    read_rows,
    restore_cell,
    write_rows,
)

_TEXTS = st.text(st.sampled_from("=+-@\t\r\n'ab1.,\"é"), max_size=6)


def test_formulas_get_an_apostrophe_and_numbers_stay_numbers():
    file = io.StringIO()
    write_rows(file)(("=cmd|' /C calc'!A0", "@x", "-3.5", "+1e-5", "-1+2", -7, 0.25, None, "a"))
    assert file.getvalue() == "'=cmd|' /C calc'!A0,'@x,-3.5,+1e-5,'-1+2,-7,0.25,,a\n"


@given(_TEXTS)
def test_every_text_is_restored_and_none_that_is_written_begins_a_formula(text):
    written = neutralize_cell(text)
    assert restore_cell(written) == text
    assert not written.startswith(("=", "@", "\t", "\r")), written
    if written.startswith(("+", "-")):
        float(written)


def test_rows_are_read_back_with_names_that_are_not_utf8(tmp_path):
    path = tmp_path / "a.csv"
    row = ["=a", "stra\udcdfe", "two\nlines", "'=b"]
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        write_rows(file)(row)
    assert list(read_rows(path)) == [row]


def test_a_field_that_no_table_of_ours_has_is_refused_with_its_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("key\n" + "x" * 200_000 + "\n")
    with pytest.raises(DataError, match=r"a\.csv: cannot be read as CSV: line 2: field larger"):
        list(read_rows(path))
