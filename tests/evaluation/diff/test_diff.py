"""What changed between two versions: classes, images, and from which class to which pixels."""

import json

import numpy as np
import pytest
from PIL import Image

from maskwright.core.codec import LabelCodec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.data.classes.codec import write_dataset_file
from maskwright.data.classes.dataset_yaml import DatasetFile
from maskwright.data.dataset import open_as_is
from maskwright.evaluation.diff.diff import ClassPixels, Move, diff
from maskwright.evaluation.diff.page import summarize, write_difference

from ...painted import painted

OLD = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, IGNORE, IGNORE]], np.uint8)


@pytest.fixture
def version(tmp_path):
    """A function: a dataset of {split/key: labels}, opened."""

    def make(name, images, classes=("road", "car", "pole")):
        root = tmp_path / name
        for place, labels_HW in images.items():
            for folder in ("images", "masks"):
                (root / folder / place).parent.mkdir(parents=True, exist_ok=True)
            black = np.zeros((*labels_HW.shape, 3), np.uint8)
            Image.fromarray(black).save(root / f"images/{place}.png")
            Image.fromarray(labels_HW).save(root / f"masks/{place}.png")
        codec = LabelCodec.identity(LabelSpec.from_names(classes))
        write_dataset_file(root / "dataset.yaml", DatasetFile(), codec)
        return open_as_is(root)

    return make


def test_a_version_against_itself_shows_nothing(version):
    data = version("a", {"train/x": OLD})
    found = diff(data, data)
    assert found.same
    assert found.changed_px == 0
    assert summarize(found) == "no difference: 1 images"


def test_every_pixel_that_moved_is_in_the_table(version):
    new = OLD.copy()
    new[0, 0], new[2, 0], new[2, 2] = 1, IGNORE, 0
    found = diff(version("a", {"train/x": OLD}), version("b", {"train/x": new}))
    assert found.moved_CC.tolist() == [[3, 1, 0, 0], [0, 4, 0, 0], [0, 0, 1, 1], [1, 0, 0, 1]]
    assert found.changed_px == 3
    assert found.images["with other labels"] == ("x",)
    assert found.by_class()[0] == ClassPixels(name="road", a=4, b=4, gained=1, lost=1)
    assert Move(before="(ignored)", after="road", num_px=1) in found.moves()


def test_classes_are_matched_by_name_not_by_index(version):
    new = np.choose(np.minimum(OLD, 3), [2, 0, 1, IGNORE]).astype(np.uint8)
    b = version("b", {"train/x": new}, ("car", "pole", "road"))
    found = diff(version("a", {"train/x": OLD}), b)
    assert found.changed_px == 0
    assert found.classes["at another index"] == ("car", "pole", "road")
    assert not found.same


def test_what_came_and_went_is_named(version):
    a = version("a", {"train/x": OLD, "train/y": OLD, "train/s": OLD})
    b = version(
        "b",
        {"val/x": OLD, "train/z": OLD, "train/s": OLD[:2]},
        ("road", "car", "bus"),
    )
    found = diff(a, b)
    assert found.classes["added"] == ("bus",)
    assert found.classes["removed"] == ("pole",)
    assert found.images["added"] == ("z",)
    assert found.images["removed"] == ("y",)
    assert found.images["in another split"] == ("x",)
    assert found.images["with labels of another size"] == ("s",)
    assert found.moves() == [Move(before="pole", after="bus", num_px=2)]


def test_the_most_changed_images_are_kept_and_shown(version, tmp_path):
    rng = np.random.default_rng(0)
    old = {f"train/{n:02}": np.zeros((8, 8), np.uint8) for n in range(12)}
    new, changed = {}, {}
    for n, place in enumerate(old):
        labels_HW = np.zeros(64, np.uint8)
        labels_HW[rng.permutation(64)[: 3 * n]] = 1
        new[place] = labels_HW.reshape(8, 8)
        changed[f"{n:02}"] = 3 * n
    found = diff(version("a", old), version("b", new))
    assert [image.key for image in found.worst] == [f"{n:02}" for n in range(11, 3, -1)]
    assert [image.changed_px for image in found.worst] == [3 * n for n in range(11, 3, -1)]
    assert sum(changed.values()) == found.changed_px
    write_difference(found, tmp_path / "out")
    document = json.loads((tmp_path / "out/diff.json").read_text())
    assert document["changed_pixels"] == found.changed_px
    assert document == found.to_json()
    page = (tmp_path / "out/diff.html").read_text()
    assert page.count("<figure>") == 8
    assert 'src="http' not in page


def test_names_from_outside_are_escaped(version, tmp_path):
    new = OLD.copy()
    new[0, 0] = 1
    names = ("<script>alert(1)</script>", "car", "pole")
    a, b = version("a", {"train/x": OLD}, names), version("b", {"train/x": new}, names)
    write_difference(diff(a, b), tmp_path / "out")
    assert "<script>" not in (tmp_path / "out/diff.html").read_text()


def test_too_many_classes_together_are_refused(version):
    one = version("a", {"train/x": OLD}, tuple(f"a{n}" for n in range(150)))
    other = version("b", {"train/x": OLD}, tuple(f"b{n}" for n in range(150)))
    with pytest.raises(ConfigError, match="together the two versions have 300 classes"):
        diff(one, other)


def test_an_image_without_a_split_is_not_in_another_one(version):
    a = version("a", {"train/x": OLD, "val/y": OLD})
    assert diff(a, painted({"/x": OLD, "val/y": OLD})).images["in another split"] == ()


def test_datasets_without_files_are_compared_too():
    new = OLD.copy()
    new[0, 0] = 1
    names = ("road", "car", "pole")
    a = painted({"train/x": OLD, "train/y": None, "val/z": OLD}, names=names, place="a")
    b = painted({"train/x": new, "train/y": OLD, "train/z": OLD}, names=names, place="b")
    found = diff(a, b)
    assert (found.a, found.b, found.num_both, found.changed_px) == ("a", "b", 3, 1)
    assert found.images["with other labels"] == ("x",)
    assert found.images["with labels now"] == ("y",)
    assert found.images["with other pixels"] == ("x", "y")
    assert found.images["in another split"] == ("z",)
