"""Class maps from any folder: keys, classes that are given, found or inferred, and refusals."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from maskwright.core import IGNORE, LabelSpec
from maskwright.core.codec import LabelCodec
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.labels import ClassDef
from maskwright.data.classmaps import ClassMapPair, ClassMaps, find_spec, open_class_maps
from maskwright.data.mapfiles import find_maps
from maskwright.data.pixels.images import read_image

RAW = np.array([[0, 1, 2], [2, 255, 0]], np.uint8)


def _save(path, pixels=RAW):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_keys_are_paths_below_the_folder_without_suffix(tmp_path):
    _save(tmp_path / "maps/b/2.png")
    _save(tmp_path / "maps/1.png")
    (tmp_path / "maps/classes.txt").write_text("0 a\n1 b\n2 c\n")
    maps = open_class_maps(tmp_path / "maps")
    assert list(maps.files) == ["1", "b/2"]
    assert len(maps) == 2
    np.testing.assert_array_equal(maps.read("b/2"), RAW)


def test_the_nearest_list_of_classes_is_found_up_to_two_levels_above(tmp_path):
    _save(tmp_path / "far/data/masks/val/1.png")
    (tmp_path / "far/data/classes.txt").write_text("0 a\n1 b\n2 c\n")
    folder = tmp_path / "far/data/masks/val"
    assert find_spec(folder) == (tmp_path / "far/data/classes.txt").resolve()
    assert open_class_maps(folder).spec.names == ("a", "b", "c")
    (folder / "dataset.yaml").write_text("classes: [{name: x}, {name: y}, {name: z}]\n")
    assert open_class_maps(folder).spec.names == ("x", "y", "z")
    (tmp_path / "far/data/masks/deep/er").mkdir(parents=True)
    assert find_spec(tmp_path / "far/data/masks/deep/er") is None


def test_a_dataset_yaml_without_classes_is_passed_over(tmp_path):
    (tmp_path / "dataset.yaml").write_text("source: somewhere\n")
    assert find_spec(tmp_path) is None


def test_without_a_list_the_values_are_the_classes(tmp_path):
    _save(tmp_path / "1.png")
    maps = open_class_maps(tmp_path)
    assert len(maps.spec) == 3
    assert maps.read("1")[1, 1] == IGNORE


def test_one_file_is_a_folder_of_one(tmp_path):
    _save(tmp_path / "1.png")
    _save(tmp_path / "2.png")
    assert list(open_class_maps(tmp_path / "2.png").files) == ["2"]


def test_colours_of_predictions_are_those_of_the_classes(tmp_path):
    spec = LabelSpec(
        (ClassDef(name="a", color=(9, 8, 7)), ClassDef(name="b", color=(200, 0, 0)))
    )
    _save(tmp_path / "1.png", np.array([[[9, 8, 7], [200, 0, 0]]], np.uint8))
    files = find_maps(tmp_path)
    maps = ClassMaps(root=tmp_path, files=files, codec=LabelCodec.identity(spec), raw=False)
    assert maps.read("1").tolist() == [[0, 1]]
    _save(tmp_path / "1.png", np.array([[[9, 8, 7], [201, 0, 0]]], np.uint8))
    with pytest.raises(DataError, match=r"1\.png: mask values #c90000 \(1 px\) are not in"):
        maps.read("1")


def test_two_classes_of_one_colour_cannot_be_read_by_colour():
    spec = LabelSpec((ClassDef(name="a", color=(9, 8, 7)), ClassDef(name="b", color=(9, 8, 7))))
    with pytest.raises(ConfigError, match=r"classes 'a' and 'b' have one colour, \(9, 8, 7\)"):
        LabelCodec.from_colors(spec)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "none: no such file or folder"),
        ("empty", "empty: holds no class maps"),
        ("twice", r"1\.png: 1\.bmp has the same name"),
    ],
)
def test_what_holds_no_maps_is_refused(tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    for suffix in ("png", "bmp"):
        _save(tmp_path / f"twice/1.{suffix}")
    with pytest.raises(DataError, match=reason):
        open_class_maps(tmp_path / name)


def test_a_list_without_classes_and_a_damaged_map_are_refused(tmp_path):
    _save(tmp_path / "1.png")
    (tmp_path / "other.yaml").write_text("source: somewhere\n")
    with pytest.raises(DataError, match=r"other\.yaml: lists no classes"):
        open_class_maps(tmp_path, spec=tmp_path / "other.yaml")
    with pytest.raises(DataError, match=r"lost\.yaml: no such file"):
        open_class_maps(tmp_path, spec=tmp_path / "lost.yaml")
    (tmp_path / "2.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"2\.png"):
        open_class_maps(tmp_path)


def test_reading_in_threads_leaves_the_warning_filters_as_they_were(tmp_path):
    _save(tmp_path / "1.png", np.zeros((300, 300), np.uint8))
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: read_image(tmp_path / "1.png"), range(200)))
    assert warnings.filters == before


def test_two_files_are_a_pair_whatever_their_names(tmp_path):
    _save(tmp_path / "truth.png")
    _save(tmp_path / "guess.png")
    pair = ClassMapPair.open(tmp_path / "truth.png", tmp_path / "guess.png")
    assert pair.keys == ("truth",)
    np.testing.assert_array_equal(pair.other.read("truth"), pair.reference.read("truth"))


def test_a_map_without_a_partner_is_refused(tmp_path):
    _save(tmp_path / "a/1.png")
    _save(tmp_path / "a/2.png")
    _save(tmp_path / "b/1.png")
    _save(tmp_path / "b/3.png")
    with pytest.raises(DataError, match=r"a: 1 of 2 maps have no partner in .*b: 2; names"):
        ClassMapPair.open(tmp_path / "a", tmp_path / "b")


def test_other_maps_hold_class_indices_where_asked(tmp_path):
    _save(tmp_path / "a/1.png", np.array([[7, 9]], np.uint8))
    _save(tmp_path / "b/1.png", np.array([[0, 1]], np.uint8))
    spec = tmp_path / "dataset.yaml"
    spec.write_text("classes: [{name: x, raw: [7]}, {name: y, raw: [9]}]\n")
    pair = ClassMapPair.open(tmp_path / "a", tmp_path / "b", other_raw=False)
    assert pair.reference.read("1").tolist() == pair.other.read("1").tolist() == [[0, 1]]


def test_maps_by_key_are_paired_with_maps_in_folders_of_splits(tmp_path):
    for name in ("truth/train/a/1", "truth/valid/2", "said/a/1", "said/2"):
        _save(tmp_path / f"{name}.png")
    pair = ClassMapPair.open(tmp_path / "truth", tmp_path / "said")
    assert pair.keys == ("a/1", "2")
    assert pair.reference.files["2"].path == tmp_path / "truth/valid/2.png"
    _save(tmp_path / "truth/train/2.png")  # two maps of one name
    with pytest.raises(DataError, match="3 of 3 maps have no partner"):
        ClassMapPair.open(tmp_path / "truth", tmp_path / "said")
