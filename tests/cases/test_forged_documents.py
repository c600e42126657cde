"""Documents of annotation tools with a forged value: read, or refused by one short message."""

import json
import random
import re
import sys
import time

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import MaskwrightError
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_as_is

VALUES = (
    *(None, True, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 2**63, -(2**63), 10**400),
    *("", "x", "\ud800", "a\x00b", "../../etc/passwd", "9" * 5000, "é" * 3000, "a\nb"),
    *([], {}, [[]], [{}], {"a": 1}, [1], [[[1, 2]]], [None]),
)
WORDS = (
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b"1e308",
    b"",
    b"\x00",
    b"1_0",
    b"../..",
    b'"',
    b"<",
)
MAX_S, MAX_LENGTH = 10.0, 1500


@pytest.fixture(scope="module")
def native(tmp_path_factory):
    root = tmp_path_factory.mktemp("native")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for index in range(2):
        mask = np.zeros((12, 16), np.uint8)
        mask[2:8, 3 : 9 + index] = 1
        mask[4:6, 4:6] = 0
        Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(root / f"images/{index}.png")
        Image.fromarray(mask).save(root / f"masks/{index}.png")
    (root / "classes.txt").write_text("0 background\n1 car\n")
    return root


def made(native, tmp_path, form, pattern):
    """A dataset of a format, and its first document."""
    convert(native, tmp_path / "d", to=form)
    for name in ("dataset.yaml", "conversion.json"):
        (tmp_path / "d" / name).unlink(missing_ok=True)
    return tmp_path / "d", next(iter(sorted((tmp_path / "d").rglob(pattern))))


def judge(root, form, what):
    began_s, message = time.thread_time(), "read"
    try:
        dataset = open_as_is(root, form=form)
        for index in range(len(dataset)):
            dataset.labels(index)
    except MaskwrightError as error:
        message = str(error)
    assert 0 < len(message) < MAX_LENGTH, what
    assert time.thread_time() - began_s < MAX_S, what


def list_paths(value, path=()):
    yield path
    inside = value.items() if isinstance(value, dict) else ()
    inside = list(enumerate(value))[:4] if isinstance(value, list) else inside
    for key, item in inside:
        yield from list_paths(item, (*path, key))


def forge(document, path, value):
    if not path:
        return value
    copy = json.loads(json.dumps(document))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return copy


@pytest.fixture
def _long_numbers():
    """Let this test write numbers of more digits than Python writes by itself."""
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(most)


JSON = (
    *(("coco", "*.json"), ("coco_panoptic", "*.json"), ("darwin", "*.json")),
    *(("geojson", "*.geojson"), ("label_studio", "*.json"), ("labelme", "*.json")),
    ("supervisely", "0.png.json"),
)


@pytest.mark.parametrize(("form", "pattern"), JSON)
@pytest.mark.usefixtures("_long_numbers")
def test_a_forged_value_is_read_or_refused(native, tmp_path, form, pattern):
    root, file = made(native, tmp_path, form, pattern)
    document = json.loads(file.read_text())
    paths, chance = list(list_paths(document)), random.Random(form)
    for _ in range(60):
        path, value = chance.choice(paths), chance.choice(VALUES)
        file.write_text(json.dumps(forge(document, path, value)))
        judge(root, form, (path, str(value)[:40]))


TEXTS = (("cvat", "*.xml"), ("rle", "*.csv"), ("yolo", "0.txt"), ("cvat_mask", "labelmap.txt"))


@pytest.mark.parametrize(("form", "pattern"), TEXTS)
def test_a_forged_word_is_read_or_refused(native, tmp_path, form, pattern):
    root, file = made(native, tmp_path, form, pattern)
    content, chance = file.read_bytes(), random.Random(form)
    words = list(re.finditer(rb"[\w.+-]+", content))
    for _ in range(60):
        word, value = chance.choice(words), chance.choice(WORDS)
        file.write_bytes(content[: word.start()] + value + content[word.end() :])
        judge(root, form, (word[0], value))
