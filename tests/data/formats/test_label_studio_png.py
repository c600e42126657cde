"""Label Studio's PNG masks: tasks are images by their order, and only where that is clear."""

import numpy as np
import pytest

from maskwright.core.errors import DataError
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.data.formats.label_studio_png import recognises, scan

IMAGE = np.zeros((4, 6, 3), np.uint8)


def mask(left, *, shape=(4, 6)):
    inside = np.zeros(shape, np.uint8)
    inside[1:3, left : left + 2] = 255
    return inside


def name(task, label="crack", *, annotation=1, number=0):
    return f"masks/task-{task}-annotation-{annotation}-by-1-tag-{label}-{number}.png"


def test_labels_of_a_task_are_shapes_on_the_image_of_its_place(write):
    files = {"images/a.jpg": IMAGE, "images/b.jpg": IMAGE}
    files |= {name(7): mask(0), name(12): mask(3), name(12, "rust-spot"): mask(1)}
    root = write(files)
    assert recognises(root)
    dataset = open_as_is(root)
    assert dataset.spec.names == ("background", "crack", "rust-spot")
    assert dataset.labels(0)[1].tolist() == [1, 1, 0, 0, 0, 0]
    assert dataset.labels(1)[1].tolist() == [0, 2, 2, 1, 1, 0]
    assert any("task 7 is taken for a.jpg" in note for note in dataset.notes)


def test_the_last_annotation_of_a_task_is_read(write):
    files = {
        "images/a.jpg": IMAGE,
        name(1, annotation=9): mask(0),
        name(1, annotation=10): mask(2),
    }
    root = write(files)
    assert open_as_is(root).labels(0)[1].tolist() == [0, 0, 1, 1, 0, 0]
    (left_out,) = scan(root, DatasetFile()).left_out
    assert left_out.names == ("task-1-annotation-9-by-1-tag-crack-0.png",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"images/a.png": IMAGE, "images/b.png": IMAGE}, "masks of 1 tasks and 2 images"),
        ({"images/a.png": np.zeros((5, 6), np.uint8)}, r"is \(4, 6\) \(H, W\), and .*a\.png"),
        (
            {"images/p2.png": IMAGE, "images/p10.png": IMAGE, name(2): mask(0)},
            r"the order of p2\.png, p10\.png \.\.\. by letters is not that by numbers",
        ),
    ],
)
def test_an_unclear_order_is_refused(write, files, message):
    with pytest.raises(DataError, match=message):
        open_as_is(write(files | {name(1): mask(0)})).labels(0)
