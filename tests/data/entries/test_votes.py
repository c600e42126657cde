"""Several annotators: from their folders to the votes and the majority of a Sample."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.core import IGNORE
from maskwright.core.errors import ConfigError, DataError
from maskwright.core.sample import Sample
from maskwright.data.conversion.convert import convert
from maskwright.data.dataset import open_dataset
from maskwright.data.entries.votes import majority_vote
from maskwright.data.facts import measure_facts

from ..conftest import TEAM


def drawn(*rows):
    mask = np.zeros((12, 16), np.uint8)
    for number, row in enumerate(rows):
        mask[number, : len(row)] = row
    return mask


def test_the_majority_is_what_most_say_and_a_tie_is_ignore():
    votes = np.array(
        [
            [[0, 0, 0, IGNORE, IGNORE, 0, 2]],
            [[0, 1, 1, IGNORE, 2, 0, IGNORE]],
            [[0, 1, 2, IGNORE, IGNORE, 1, 1]],
        ],
        np.uint8,
    )
    assert majority_vote(votes).tolist() == [[0, 1, IGNORE, IGNORE, 2, 0, IGNORE]]


@given(st.lists(st.sampled_from([0, 1, 2, 254, IGNORE]), min_size=1, max_size=7))
def test_the_majority_is_that_of_counting_by_hand(said):
    counts = np.bincount([v for v in said if v != IGNORE], minlength=256)
    leaders = np.flatnonzero(counts == counts.max()) if counts.any() else []
    expected = leaders[0] if len(leaders) == 1 else IGNORE
    assert majority_vote(np.array(said, np.uint8)[:, None, None]).item() == expected


def test_a_sample_holds_every_vote_and_their_majority(team):
    root = team({"ben/train/im01.png": drawn([1, 1, 255])})
    dataset = open_dataset(root)
    assert [len(entry.masks) for entry in dataset.entries] == [1, 2, 2, 2, 2, 2]
    alone, disputed = dataset[0], dataset[1]
    assert alone.votes_AHW.shape == (2, 12, 16)
    assert (alone.votes_AHW[1] == IGNORE).all()
    np.testing.assert_array_equal(alone.labels_HW, alone.votes_AHW[0])
    assert disputed.votes_AHW.dtype == np.uint8
    assert disputed.votes_AHW[:, 0, :3].tolist() == [[0, 0, 0], [1, 1, IGNORE]]
    assert disputed.labels_HW[0, :4].tolist() == [IGNORE, IGNORE, 0, 0]
    np.testing.assert_array_equal(dataset.labels(1), disputed.labels_HW)


def test_one_annotator_is_the_same_as_one_folder_of_masks(team):
    one = open_dataset(team(yaml=TEAM.replace(", ben", "")))
    masks = open_dataset(team(yaml=TEAM.replace("annotators: [anna, ben]", "masks: anna")))
    assert [e.masks for e in one.entries] == [e.masks for e in masks.entries]
    assert one.fingerprint == masks.fingerprint
    assert one[1].votes_AHW is None
    np.testing.assert_array_equal(one[1].labels_HW, masks[1].labels_HW)


def test_splits_and_facts_count_the_majority(team):
    half = np.repeat(np.array([0, 1], np.uint8), 96).reshape(12, 16)
    root = team({"ben/train/im01.png": 1 - half, "ben/train/im02.png": half * 0})
    facts = measure_facts(open_dataset(root).subset("train"))
    assert facts.counts_NC.tolist() == [[96, 96], [0, 0], [96, 0], [96, 96]]


def test_the_codec_is_inferred_from_the_masks_of_all(team):
    root = team({"ben/train/im01.png": drawn([2])}, yaml="annotators: [anna, ben]\n")
    dataset = open_dataset(root)
    assert dataset.spec.names == ("class_0", "class_1", "class_2")
    assert "annotators:\n- anna\n- ben\n" in (root / "dataset.yaml").read_text()
    assert open_dataset(root).entries == dataset.entries


def test_endings_may_differ_between_annotators_and_splits_lie_inside_or_outside(write, pairs):
    files = {"dataset.yaml": TEAM}
    for name, content in pairs(4).items():
        stem = name.removesuffix(".png").removeprefix("masks/")
        for split in ("train", "val") if "masks" not in name else ():
            files[f"{split}/images/{split}{name.removeprefix('images/')}"] = content
            files[f"{split}/anna/{split}{stem.removeprefix('images/')}_a.png"] = (
                content[..., 0] // 200
            )
        if "masks" not in name:
            files[f"train/ben/train{stem.removeprefix('images/')}.png"] = content[..., 0] // 200
    dataset = open_dataset(write(files))
    assert dataset.splits == {"train": 4, "val": 4}
    assert any("named like their images, with '_a'" in note for note in dataset.notes)
    assert [len(e.masks) for e in dataset.entries] == [2] * 4 + [1] * 4


def test_the_fingerprint_sees_every_mask(team):
    before = open_dataset(team()).fingerprint
    assert before != open_dataset(team({"ben/val/im04.png": drawn([1, 0, 1])})).fingerprint


def test_votes_travel_to_worker_processes(team):
    dataset = open_dataset(team())
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again[1].votes_AHW, dataset[1].votes_AHW)


def test_convert_writes_what_most_say_and_counts_the_single_masks_as_lost(
    team, tmp_path_factory
):
    root = team({"ben/train/im01.png": drawn([1])})
    target = tmp_path_factory.mktemp("out") / "majority"
    account = convert(root, target, to="mask_folder", verify=True)
    (loss,) = (loss for what, loss in account.losses.items() if "single annotators" in what)
    assert (loss.count, loss.num_images) == (11, 6)
    assert account.agreement.differing == 0
    assert open_dataset(target).labels(1)[0, 0] == IGNORE


class TestBadInput:
    @pytest.mark.parametrize(
        ("yaml", "message"),
        [
            ("annotators: []", r"annotators: .*list the folder of each annotator once"),
            ("annotators: [anna, ./anna]", r"annotators: .*list the folder of each annotator"),
            ("masks: anna\nannotators: [ben]", r"annotators: .*'masks' is given too; list all"),
            ("annotators: anna", r"annotators: Input should be a valid tuple, got 'anna'"),
            ("anotators: [anna]", r"unknown key 'anotators'; did you mean 'annotators'\?"),
        ],
    )
    def test_a_list_that_cannot_be_meant(self, team, yaml, message):
        with pytest.raises(ConfigError, match=message):
            open_dataset(team(yaml=yaml))

    def test_an_annotator_without_a_folder_or_a_mask_of_any_image(self, team, write):
        message = (
            r"no image has a mask of the annotator 'cleo'; under 'annotators', list folders "
            r"whose masks are named like the images \(there are: anna, ben, images\)"
        )
        root = team(yaml=TEAM.replace("ben", "cleo"))
        with pytest.raises(DataError, match=message):
            open_dataset(root)

    def test_an_image_that_nobody_drew(self, team, pairs):
        image = pairs(1, first=90)["images/im90.png"]
        with pytest.raises(DataError, match=r"images/train/im90\.png has no mask; add the"):
            open_dataset(team({"images/train/im90.png": image}))

    def test_masks_of_two_sizes_for_one_image(self, team):
        dataset = open_dataset(team({"ben/val/im04.png": np.zeros((12, 15), np.uint8)}))
        message = (
            r"ben/val/im04\.png: mask is \(12, 15\) \(H, W\), .*anna/val/im04\.png of the same "
            r"image is \(12, 16\); save both at the size of the image"
        )
        with pytest.raises(DataError, match=message):
            dataset.subset("val").labels(0)

    def test_a_value_that_no_class_has_in_the_mask_of_the_second(self, team):
        dataset = open_dataset(team({"ben/val/im04.png": drawn([9])}))
        with pytest.raises(DataError, match=r"ben/val/im04\.png: mask values 9 \(1 px\) are"):
            dataset.subset("val")[0]

    @pytest.mark.parametrize("listed", ["[anna, ben]", "[anna]"])
    def test_a_format_that_reads_one_mask_an_image(self, team, write, listed):
        root = team(yaml="format: voc\n" + TEAM.replace("[anna, ben]", listed))
        image = np.zeros((12, 16, 3), np.uint8)
        write({"JPEGImages/a.png": image, "SegmentationClass/a.png": image[..., 0]})
        message = (
            r"the format voc reads one mask per image and no 'annotators'; write 'format: m"
        )
        with pytest.raises(ConfigError, match=message):
            open_dataset(root)

    @pytest.mark.parametrize(
        ("labels", "votes", "message"),
        [
            (None, (2, 4, 5), "k: votes need labels"),
            ((4, 5), (2, 5, 4), r"k: labels are \(4, 5\) \(H, W\), votes are \(2, 5, 4\)"),
            ((4, 5), (1, 4, 5), r"expected \(A, H, W\) of A >= 2 annotators"),
            ((4, 5), (4, 5), r"votes are \(4, 5\), expected \(A, H, W\)"),
        ],
    )
    def test_a_sample_whose_votes_do_not_fit(self, labels, votes, message):
        with pytest.raises(DataError, match=message):
            Sample(
                key="k",
                group="k",
                image_HWC=np.zeros((4, 5, 3), np.uint8),
                labels_HW=None if labels is None else np.zeros(labels, np.uint8),
                votes_AHW=np.zeros(votes, np.uint8),
            )
