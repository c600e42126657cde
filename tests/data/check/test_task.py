"""Remarks on the task come from labels that ask for another one, and from no others."""

import numpy as np
import pytest
from PIL import Image

from maskwright.core.labels import LabelSpec
from maskwright.data.check.task import (
    MIN_MASKS,
    TaskTally,
    find_background_index,
    remark_on_task,
)
from maskwright.data.check.text import format_findings
from maskwright.data.dataset import open_as_is
from maskwright.data.shapes.drawing import Drawing, Shape

SPEC = LabelSpec.from_names(("background", "part", "crack"))


def remarks(maps, spec=SPEC, drawings=()):
    tally = TaskTally()
    for labels_HW in maps:
        tally.add(labels_HW, 0)
    for drawing in drawings:
        tally.add_shapes(drawing)
    return {code: (subject, detail) for code, subject, detail in tally.list_remarks(spec)}


def disc_map(seed=0):
    """A disc and a crack three pixels wide on background: nothing to remark."""
    rows, columns = np.mgrid[:64, :64]
    center = np.random.default_rng(seed).integers(15, 40, 2)
    labels_HW = np.zeros((64, 64), np.uint8)
    labels_HW[(rows - center[0]) ** 2 + (columns - center[1]) ** 2 < 100] = 1
    labels_HW[abs(rows - columns) <= 1] = 2
    return labels_HW


def test_outlines_of_things_give_no_remark():
    assert remarks(disc_map(seed) for seed in range(30)) == {}


def test_regions_that_fill_their_boxes_ask_for_a_detector():
    boxes_HW = np.zeros((64, 64), np.uint8)
    boxes_HW[5:20, 5:30] = boxes_HW[30:50, 10:22] = boxes_HW[25:60, 40:60] = 1
    assert remarks([boxes_HW] * 8) == {"box-labels": ("part", "100.0 % of 24 regions")}
    assert remarks([boxes_HW] * 7) == {}


def test_masks_of_one_class_each_ask_for_a_classifier():
    maps = [np.full((32, 32), index, np.uint8) for index in (0, 1) * 5]
    assert remarks(maps) == {"whole-image-classes": ("background, part", "100.0 % of 10 masks")}
    assert "whole-image-classes" not in remarks([np.zeros((32, 32), np.uint8)] * 10)


def test_lines_one_pixel_wide_are_remarked_and_three_are_not():
    thin_HW = np.zeros((64, 64), np.uint8)
    thin_HW[20, 5:60] = thin_HW[np.arange(30, 60), np.arange(10, 40)] = 2
    assert remarks([thin_HW] * 8) == {"thin-class": ("crack", "100.0 % of its pixels")}


def test_forty_classes_on_25_images_are_too_many():
    spec = LabelSpec.from_names(tuple(f"class {index}" for index in range(40)))
    found = remarks([disc_map(seed) for seed in range(25)], spec)
    assert found["many-classes"][0] == "40 classes, 25 masks"
    assert "many-classes" not in remarks([disc_map(seed) for seed in range(80)], spec)


def square(left):
    ring = np.array([[left, 5], [left + 9, 5], [left + 9, 14], [left, 14]], np.float64)
    return Shape(label="part", rings=(ring,))


@pytest.mark.parametrize(("lefts", "is_joined"), [((2, 11, 40), True), ((2, 20, 40), False)])
def test_shapes_that_touch_ask_for_instances(lefts, is_joined):
    drawing = Drawing(size_HW=(64, 64), shapes=tuple(map(square, lefts)))
    found = remarks([disc_map(seed) for seed in range(8)], drawings=[drawing] * 8)
    assert ("joined-things" in found) is is_joined
    if is_joined:
        assert found["joined-things"] == ("part", "66.7 % of 24 shapes")


@pytest.mark.real
@pytest.mark.parametrize("name", ["camvid", "cwfid", "magnetic_tile", "crackforest"])
def test_public_datasets_give_no_remark(real_data, name):
    dataset = open_as_is(real_data / name)
    maps = (dataset.labels(i) for i in range(0, len(dataset), 3) if dataset.has_labels(i))
    tally = TaskTally()
    for labels_HW in maps:
        tally.add(labels_HW, find_background_index(dataset.spec))
    assert tally.num_masks >= MIN_MASKS
    assert list(tally.list_remarks(dataset.spec)) == []


def test_remarks_of_a_dataset_have_the_fix_and_read_shapes_too(tmp_path):
    root = tmp_path / "data"
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    boxes_HW = np.zeros((64, 64), np.uint8)
    boxes_HW[5:20, 5:30] = boxes_HW[30:50, 10:22] = boxes_HW[25:60, 40:60] = 1
    for index in range(8):
        Image.fromarray(np.full((64, 64, 3), index, np.uint8)).save(
            root / f"images/{index}.png"
        )
        Image.fromarray(boxes_HW).save(root / f"masks/{index}.png")
    (root / "dataset.yaml").write_text("classes: [{name: background}, {name: part}]\n")
    (remark,) = remark_on_task(open_as_is(root))
    document = remark.to_json()
    assert (document["code"], document["severity"]) == ("box-labels", "note")
    assert document["files"] == [{"file": "part", "detail": "100.0 % of 24 regions"}]
    lines = format_findings([document])
    assert lines[-1].startswith("  fix: to find boxes, a detector is enough")
