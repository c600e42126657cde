"""Attributes from a CSV: read by key, numbers cut at quartiles, gaps refused by name."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.evaluation.slices import bin_brightness, read_attributes

KEYS = [f"i{n:02}" for n in range(40)]


def _csv(tmp_path, header, rows):
    path = tmp_path / "attributes.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_columns_are_read_by_key_in_any_order(tmp_path):
    path = _csv(tmp_path, "key,camera", [f"{k},cam{n % 3}" for n, k in enumerate(KEYS)][::-1])
    found = read_attributes(path, KEYS)
    assert found.values["i04"] == {"camera": "cam1"}


def test_a_column_named_group_is_the_group_and_not_a_slice(tmp_path):
    path = _csv(
        tmp_path, "key,group,camera", [f"{k},g{n // 8},cam" for n, k in enumerate(KEYS)]
    )
    found = read_attributes(path, KEYS)
    assert found.groups["i09"] == "g1"
    assert found.values["i09"] == {"camera": "cam"}


def test_many_numbers_become_quartiles_and_few_stay(tmp_path):
    rows = [f"{k},{n / 2},{n % 4}" for n, k in enumerate(KEYS)]
    found = read_attributes(_csv(tmp_path, "image,speed,lane", rows), KEYS)
    speeds = [found.values[k]["speed"] for k in KEYS]
    assert [speeds.count(s) for s in dict.fromkeys(speeds)] == [10, 10, 10, 10]
    assert speeds[0] == "0 to 4.875"
    assert {found.values[k]["lane"] for k in KEYS} == {"0", "1", "2", "3"}


@pytest.mark.parametrize(
    ("header", "rows", "reason"),
    [
        ("name,a", ["i00,1"], "has no column 'key'"),
        ("key,a", ["i00,1"], "39 images have no line, the first is 'i01'"),
        ("key,a", ["i00,1", "i00,2"], "line 3 lists 'i00' again"),
        ("key,a", ["i00,1,2"], "line 2 has another number of fields"),
        (
            "key,a",
            [f"{k},name{k}" for k in KEYS],
            "column 'a' has 40 different values, at most 30",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, header, rows, reason):
    path = _csv(tmp_path, header, rows)
    with pytest.raises(DataError, match=reason) as caught:
        read_attributes(path, KEYS)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0, "dark (< 64)"),
        (64, "dim (64-127)"),
        (130, "bright (128-191)"),
        (255, "very bright (>= 192)"),
    ],
)
def test_brightness_is_the_mean_over_pixels_and_channels(value, name):
    assert bin_brightness(np.full((4, 5, 3), value, np.uint8)) == name
