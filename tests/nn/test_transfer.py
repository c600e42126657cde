"""A new network takes from an old one all but the scores of classes that only one has."""

import pytest
import torch
from tests.small_archs import small_arch

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import LabelSpec
from maskwright.nn.build import new_model
from maskwright.nn.transfer import (
    ClassAxis,
    find_class_axes,
    match_classes,
    plan_transfer,
)

FCN = ArchSpec(name="fcn", encoder="test_resnet")
ENET = ArchSpec(name="enet", encoder="own")


def transfer(tensors, pairs, arch, channels=3, classes=3, old=3):
    return plan_transfer(tensors, old, pairs, arch, channels, classes, source="old")


def built(arch, channels=3, classes=3, seed=0):
    torch.manual_seed(seed)
    return new_model(arch, channels, classes).eval()


def test_axes_of_classes_are_those_that_grow_with_a_class():
    assert find_class_axes(ENET, 3, 5) == {
        "network.classify.weight": (ClassAxis(1, 1, False, False),),
        "network.classify.bias": (ClassAxis(0, 1, False, False),),
    }
    both = find_class_axes(FCN, 3, 5)["network.doublings.0.weight"]
    assert [axis.axis for axis in both] == [0, 1]
    queries = find_class_axes(small_arch("maskformer", "test_resnet"), 3, 5)
    name = "network.query_decoder.class_predictor.bias"
    assert queries[name] == (ClassAxis(0, 1, True, False),)
    boxes = find_class_axes(small_arch("mask_rcnn", "test_resnet"), 3, 5)
    name = "network.box_predictor.bbox_pred.bias"
    assert boxes[name] == (ClassAxis(0, 4, True, True),)


def test_entries_of_classes_come_with_those_of_the_class_beside_them():
    assert ClassAxis(0, 1, False, False).positions([2, 0], 3) == [2, 0]
    assert ClassAxis(0, 1, True, False).positions([2, 0], 3) == [2, 0, 3]
    assert ClassAxis(0, 2, True, True).positions([1], 3) == [4, 5, 0, 1]


@pytest.mark.parametrize(
    "arch", [FCN, ENET, small_arch("maskformer", "test_resnet")], ids=lambda a: a.name
)
def test_permuted_classes_give_permuted_logits(arch):
    old, new = built(arch), built(arch, seed=1)
    taken = transfer(old.state_dict(), ((0, 2), (1, 0), (2, 1)), arch)
    assert taken.fresh == taken.unused == ()
    taken.fill(new)
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(new(image), old(image)[:, [2, 0, 1]])


def test_equal_classes_take_all_and_none_in_common_leave_the_heads():
    old = built(ENET)
    same = transfer(old.state_dict(), ((0, 0), (1, 1), (2, 2)), ENET)
    assert set(same.whole) == set(old.state_dict())
    new = built(ENET, classes=2, seed=1)
    before = {k: v.clone() for k, v in new.state_dict().items()}
    other = transfer(old.state_dict(), (), ENET, classes=2)
    other.fill(new)
    assert other.heads == ("network.classify.weight", "network.classify.bias")
    for key, value in new.state_dict().items():
        assert torch.equal(value, before[key] if key in other.heads else old.state_dict()[key])


def test_a_class_that_is_new_keeps_its_random_weights_and_the_others_follow():
    old, new = built(ENET), built(ENET, classes=4, seed=1)
    before = new.network.classify.bias.detach().clone()
    transfer(old.state_dict(), ((3, 1),), ENET, classes=4).fill(new)
    assert new.network.classify.bias[3] == old.network.classify.bias[1]
    assert torch.equal(new.network.classify.bias[:3], before[:3])


def test_tensors_that_only_one_network_has_are_listed():
    arch = ArchSpec(name="fastscnn", encoder="own", config={"aux_weight": 0.0})
    default = ArchSpec(name="fastscnn", encoder="own")
    without, full = built(arch).state_dict(), built(default).state_dict()
    extra = tuple(key for key in full if key not in without and "num_batches" not in key)
    same = ((0, 0), (1, 1), (2, 2))
    assert transfer(full, same, arch).unused == extra
    assert transfer(without, same, default).missing == extra
    assert extra[0].startswith("network.aux_heads.0")


def test_a_network_for_colours_answers_to_grey_as_before():
    old, new = built(FCN), built(FCN, channels=1, seed=1)
    transfer(old.state_dict(), ((0, 0), (1, 1), (2, 2)), FCN, channels=1).fill(new)
    grey = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(new(grey), old(grey.expand(-1, 3, -1, -1)))


def test_another_width_is_refused_with_the_first_tensor():
    wide = ArchSpec(name="fpn", encoder="test_resnet", config={"pyramid_channels": 32})
    slim = ArchSpec(name="fpn", encoder="test_resnet", config={"pyramid_channels": 16})
    with pytest.raises(ConfigError, match=r"old: \d+ tensors .*lateral\.0.*\(32, .*\(16, "):
        transfer(built(wide).state_dict(), ((0, 0), (1, 1), (2, 2)), slim)


def spec(*names):
    return LabelSpec.from_names(names)


def test_classes_are_matched_by_name_whatever_their_spelling():
    old = spec("road", "traffic light", "car")
    assert match_classes(old, spec("Car", "tree", "traffic_light"), is_named=True) == (
        (0, 2),
        (2, 1),
    )
    assert match_classes(old, spec("wall"), is_named=True) == ()


def test_guessed_names_count_where_they_include_all_and_numbers_where_there_are_as_many():
    guessed = spec("road", "car", "sky")
    assert match_classes(guessed, spec("sky", "road"), is_named=False) == ((0, 2), (1, 0))
    assert match_classes(guessed, spec("sky", "crack"), is_named=False) == ()
    numbered = spec("class 0", "class 1")
    assert match_classes(numbered, spec("ok", "crack"), is_named=False) == ((0, 0), (1, 1))
    assert match_classes(numbered, spec("a", "b", "c"), is_named=False) == ()
