"""A proposed mapping names every class, is read as it is, and merges what it says."""

import pytest

from maskwright.core.errors import ConfigError, OutputError
from maskwright.core.labels import LabelSpec
from maskwright.data.classes.mapping import read_mapping
from maskwright.data.classes.proposal import (
    Merge,
    format_mapping,
    join_merges,
    propose_rare_merge,
    write_proposal,
)

SPEC = LabelSpec.from_names(("background", "car", "Car", "bus", "other"))


def merge(*names, name=""):
    return Merge(names=names, reason="a reason", name=name)


def test_every_class_stands_in_the_mapping_and_merged_ones_in_one(tmp_path):
    path = tmp_path / "merged.yaml"
    write_proposal(path, SPEC, [merge("car", "Car", name="car")])
    mapping = read_mapping(path, SPEC)
    assert mapping.after.names == ("background", "car", "bus", "other")
    assert mapping.table[:5].tolist() == [0, 1, 1, 2, 3]
    assert mapping.after.classes[1].color == SPEC.classes[1].color
    assert "# a reason" in path.read_text()


def test_merges_that_share_a_class_become_one_and_names_stay_unique():
    joined = join_merges([merge("car", "bus"), merge("other"), merge("bus", "Car")])
    assert {m.names for m in joined} == {("other",), ("car", "bus", "Car")}
    text = format_mapping(SPEC, [merge("car", "bus", name="other")])
    assert "name: other_2, from: [car, bus]" in text


def test_forty_classes_on_few_images_merge_those_in_under_three_masks():
    images = {f"class {index}": index for index in range(40)} | {"background": 1}
    (proposed,) = propose_rare_merge(images)
    assert proposed.names == ("class 0", "class 1", "class 2")
    assert proposed.name == "other"
    assert propose_rare_merge({"a": 3, "b": 9, "background": 0}) == []


def test_one_rare_class_joins_the_next_rarest():
    (proposed,) = propose_rare_merge({"a": 9, "b": 1, "c": 5})
    assert proposed.names == ("b", "c")


def test_nothing_to_merge_and_a_file_that_exists_are_refused(tmp_path):
    path = tmp_path / "merged.yaml"
    with pytest.raises(ConfigError, match=r"merged\.yaml: not written, since no classes ask"):
        write_proposal(path, SPEC, [])
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"merged\.yaml: exists; name another file"):
        write_proposal(path, SPEC, [merge("car", "bus")])
    assert path.read_text() == "mine"
