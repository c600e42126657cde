"""A dataset.yaml that an inference wrote follows its sources; one that was edited stays."""

import numpy as np
import pytest

from maskwright.data.check.audit import audit
from maskwright.data.classes.dataset_yaml import read_dataset_file
from maskwright.data.classmaps import open_class_maps
from maskwright.data.dataset import open_dataset

MASK = np.repeat(np.array([[0, 1, 2, 255]], np.uint8), 4, axis=0)


@pytest.fixture
def data(write):
    """Four images with masks of three classes, named in classes.txt."""
    files: dict[str, object] = {"classes.txt": b"1 road\n0 car\n2 tree\n"}
    for index in range(4):
        files[f"images/{index}.png"] = np.full((4, 4, 3), index, np.uint8)
        files[f"masks/{index}.png"] = MASK
    return write(files)


def test_a_mended_list_of_classes_renews_the_file_and_says_so(data):
    assert open_dataset(data).spec.names == ("car", "road", "tree")
    (data / "classes.txt").write_text("1 road\n0 background\n2 car\n")
    renewed = open_dataset(data)
    assert renewed.spec.names == ("background", "road", "car")
    assert renewed.notes[0] == (
        f"{data / 'dataset.yaml'} is written again, since classes.txt changed after it was "
        f"inferred"
    )
    again = open_dataset(data)
    assert again.spec == renewed.spec
    assert "written again" not in " ".join(again.notes)


def test_a_list_that_is_added_later_counts_too(data):
    (data / "classes.txt").unlink()
    assert open_dataset(data).spec.names == ("class_0", "class_1", "class_2")
    (data / "classes.txt").write_text("0 a\n1 b\n2 c\n")
    assert open_dataset(data).spec.names == ("a", "b", "c")


def test_a_file_that_was_edited_stays_and_says_what_it_no_longer_agrees_with(data):
    open_dataset(data)
    file = data / "dataset.yaml"
    edited = file.read_text().replace("name: tree", "name: bush")
    file.write_text(edited)
    assert open_dataset(data).spec.names == ("car", "road", "bush")
    (data / "classes.txt").write_text("1 road\n0 background\n2 car\n")
    kept = open_dataset(data)
    assert kept.spec.names == ("car", "road", "bush")
    assert file.read_text() == edited
    assert kept.notes[0].startswith(
        f"{file} no longer agrees with classes.txt, which changed since; it was edited by hand"
    )


def test_a_comment_or_another_split_is_no_edit_of_the_classes(data):
    open_dataset(data)
    file = data / "dataset.yaml"
    file.write_text("# mine\n" + file.read_text())
    (data / "classes.txt").write_text("0 a\n1 b\n2 c\n")
    assert open_dataset(data).spec.names == ("a", "b", "c")


def test_what_was_given_before_the_inference_counts_again(data):
    (data / "mapping.yaml").write_text(
        "classes: [{name: ground, from: [road]}]\nignored: [car, tree]\n"
    )
    (data / "dataset.yaml").write_text("codec: {ignored: [255, 9]}\nmapping: mapping.yaml\n")
    (data / "classes.txt").write_text("1 road\n0 car\n2 tree\n")
    first = open_dataset(data)
    assert first.spec.names == ("ground",)
    (data / "mapping.yaml").write_text(
        "classes: [{name: way, from: [road]}, {name: car}]\nignored: [tree]\n"
    )
    second = open_dataset(data)
    assert second.spec.names == ("way", "car")
    assert second.codec.ignored >= {255, 9}
    record = read_dataset_file(data / "dataset.yaml").inferred_from
    assert record.mapping == "mapping.yaml"
    assert record.codec.ignored == (255, 9)


def test_check_renews_as_opening_does(data):
    audit(data)
    (data / "classes.txt").write_text("0 a\n1 b\n2 c\n")
    checked = audit(data)
    assert checked.spec.names == ("a", "b", "c")
    assert any("written again" in note for note in checked.notes)


def test_class_maps_are_not_read_by_a_file_that_is_out_of_date(data):
    open_dataset(data)
    (data / "classes.txt").write_text("0 a\n1 b\n2 c\n")
    assert open_class_maps(data / "masks").spec.names == ("a", "b", "c")


def test_a_file_of_an_earlier_version_says_which_names_disagree(data):
    open_dataset(data)
    file = data / "dataset.yaml"
    lines = [line for line in file.read_text().splitlines() if "inferred_from" not in line]
    file.write_text("\n".join(lines) + "\n")
    assert "no longer agrees" not in " ".join(open_dataset(data).notes)
    (data / "classes.txt").write_text("1 road\n0 background\n2 tree\n")
    kept = open_dataset(data)
    assert kept.spec.names == ("car", "road", "tree")
    assert "only one of them names 'background', 'car'" in kept.notes[0]
