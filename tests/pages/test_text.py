"""Numbers and tables as text: one dash, one percent sign, columns that line up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.pages.text import (
    DASH,
    escape_controls,
    format_amount,
    format_count,
    format_number,
    format_percent,
    format_points,
    format_share,
    format_size,
    format_small_share,
    list_names,
    text_table,
    wrap_lines,
)

WORDS = st.text("abc <>–", min_size=1, max_size=8).map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (format_number(12345.6), "12,346"),
        (format_number(0.7125, 2), "0.71"),
        (format_percent(12.345), "12.35 %"),
        (format_share(0.12345), "12.3 %"),
        (format_share(0.12345, 3), "12.345 %"),
        (format_small_share(0.000123456), "0.0123 %"),
        (format_points(0.0123), "+1.2"),
        (format_points(-0.0123), "-1.2"),
        (format_points(-0.0001), "0.0"),
        (format_amount(1234.5, "m2"), "1,234 m2"),
        (format_amount(0.012345), "0.01235"),
        (format_count(1, "image"), "1 image"),
        (format_count(1200, "image"), "1,200 images"),
        (format_size((480, 640)), "480 x 640"),
        (list_names(["a", "b", "c"]), "a, b, c"),
        (list_names(["a", "b", "c"], most=2), "a, b, ..."),
        (list_names(["a", "b", "c", "d"]), "a, b, c, ..."),
    ],
)
def test_numbers_as_people_read_them(text, expected):
    assert text == expected


@pytest.mark.parametrize("value", [None, math.nan])
@pytest.mark.parametrize(
    "form", [format_number, format_percent, format_share, format_points, format_amount]
)
def test_a_number_that_does_not_exist_is_a_dash_without_unit(form, value):
    assert form(value) == DASH


def test_a_table_by_hand():
    rows = [("road", "76.0 %", "1,200"), ("car", "5.0 %", "3")]
    assert text_table(("class", "IoU", "images"), rows) == [
        "class     IoU  images",
        "road   76.0 %   1,200",
        "car     5.0 %       3",
    ]


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=6))
def test_cells_line_up_and_nothing_is_lost(rows):
    lines = text_table(("a", "b", "c"), rows, words=(0, 2))
    assert (
        len({len(line) - len(row[2]) for line, row in zip(lines[1:], rows, strict=True)}) == 1
    )
    for line, row in zip(lines[1:], rows, strict=True):
        assert line.startswith(row[0])
        assert line.endswith(row[2])
        assert row[1] in line


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        text_table(("a", "b"), [("x",)])


def test_control_characters_are_shown_and_lines_stay_lines():
    assert escape_controls("a\x1b[2Jb\rc\u202ed\x9b") == "a\\x1b[2Jb\\rc\\u202ed\\x9b"
    assert escape_controls("two\nlines\tand é 猫") == "two\nlines\tand é 猫"


def test_long_lines_are_wrapped_between_words_and_tables_are_not():
    text = "  values: 0 (95 % of pixels), 1 (5 % of pixels)\nclass       share  images\n"
    assert wrap_lines(text, 24) == (
        "  values: 0 (95 % of\n    pixels), 1 (5 % of\n    pixels)\nclass       share  images\n"
    )


def test_a_word_longer_than_a_line_is_not_broken():
    assert wrap_lines("see /a-long/path/to-a/file.png now", 10) == (
        "see\n  /a-long/path/to-a/file.png\n  now"
    )
