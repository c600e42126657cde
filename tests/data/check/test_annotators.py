"""What `check` says of annotators: how far they agree, and where their masks are wrong."""

import json

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from maskwright.core import IGNORE
from maskwright.data.check.annotators import Annotators
from maskwright.data.check.audit import audit

from ..conftest import TEAM
from ..entries.test_votes import drawn
from .test_audit import codes, the


def counted(*images, names=("anna", "ben", "cleo"), classes=("a", "b", "c")):
    found = Annotators(
        names=names[: len(images[0])], classes=classes, disputed_N=np.zeros(len(images))
    )
    for row, votes in enumerate(images):
        found.add(row, np.array(votes, np.uint8))
    return found


def test_of_one_hand_counted_image():
    found = counted([[[0, 0, 0, 1, IGNORE]], [[0, 0, 1, 1, 1]]]).to_json()
    assert (found["shared_pixels"], found["disputed_pixels"]) == (4, 1)
    assert found["dice"] == {"a": 4 / 5, "b": 2 / 3, "c": None}
    (pair,) = found["pairs"]
    # observed 3/4; chance (3 * 2 + 1 * 2) / 16
    assert pair == {
        "annotators": ["anna", "ben"],
        "images": 1,
        "kappa": pytest.approx((3 / 4 - 1 / 2) / (1 - 1 / 2)),
        "dice": found["dice"],
    }


def test_kappa_is_that_of_scikit_learn_over_all_images_of_a_pair():
    rng = np.random.default_rng(0)
    images = rng.choice([0, 1, 2, IGNORE], (4, 3, 20, 30), p=[0.5, 0.2, 0.1, 0.2])
    images[:, 1] = np.where(rng.random((4, 20, 30)) < 0.6, images[:, 0], images[:, 1])
    for pair in counted(*images).to_json()["pairs"]:
        one, other = ("anna", "ben", "cleo").index(pair["annotators"][0]), 0
        other = ("anna", "ben", "cleo").index(pair["annotators"][1])
        a, b = images[:, one].ravel(), images[:, other].ravel()
        both = (a != IGNORE) & (b != IGNORE)
        assert pair["kappa"] == pytest.approx(cohen_kappa_score(a[both], b[both]))
        assert pair["images"] == 4


def test_a_pixel_that_one_alone_labelled_is_in_no_dispute():
    nobody = [[[IGNORE, IGNORE]], [[0, 1]], [[IGNORE, IGNORE]]]
    found = counted(nobody).to_json()
    assert (found["shared_pixels"], found["disputed_pixels"], found["pairs"]) == (0, 0, [])
    assert found["masks"] == {"anna": 0, "ben": 1, "cleo": 0}


def test_annotators_who_agree_give_numbers_and_no_finding(team):
    found = audit(team())
    assert codes(found) == set()
    document = json.loads(json.dumps(found.to_json()))["annotators"]
    assert document["masks"] == {"anna": 6, "ben": 5}
    assert (document["shared_pixels"], document["disputed_pixels"]) == (5 * 12 * 16, 0)
    assert document["pairs"][0]["kappa"] == 1
    assert document["dice"] == {"back": 1, "leaf": 1}


def test_disputed_images_are_listed_worst_first(team):
    found = audit(team({"ben/train/im01.png": drawn([1] * 3), "ben/val/im04.png": drawn()}))
    disputed = the(found, "disputed-image")
    assert disputed.kind.severity == "note"
    # im04: half of the image is class 1 for anna; im01: that half and three pixels more
    assert disputed.examples == [
        ("images/train/im01.png", "51.6 % of the pixels"),
        ("images/val/im04.png", "50 % of the pixels"),
    ]
    assert not found.harmful
    text = found.to_text()
    assert "Masks by annotator: anna 6, ben 5. 20.312 % of the pixels that two or more" in text
    assert "anna and ben: kappa 0.5" in text
    assert "class  Dice of two annotators\n" in text


def test_annotators_who_disagree_are_reported_with_their_kappa(team, pairs):
    swapped = {
        name.replace("masks/", "ben/"): 1 - content
        for name, content in (pairs(4, split="train") | pairs(2, split="val", first=4)).items()
        if name.startswith("masks/")
    }
    found = audit(team(swapped))
    assert the(found, "low-agreement").examples == [("anna and ben", "kappa -1.000")]
    assert the(found, "low-agreement").kind.severity == "warning"
    assert {"absent-class"} <= codes(found)


def test_counts_are_of_what_most_say(team):
    found = audit(team({"ben/train/im01.png": drawn([1] * 3)}))
    back, leaf = found.classes()
    assert (back["pixels"], leaf["pixels"]) == (6 * 96 - 3, 5 * 96)
    assert found.to_json()["ignored_pixels"] == 3 + 96


def test_faults_are_reported_by_the_mask_that_has_them(team):
    found = audit(
        team(
            {
                "ben/train/im01.png": np.zeros((12, 15), np.uint8),
                "ben/train/im02.png": drawn([9, 9]),
                "ben/train/im03.png": b"",
                "ben/val/im99.png": drawn(),
            }
        )
    )
    sizes = "mask is 12 x 15, its image images/train/im01.png is 12 x 16 (H x W)"
    assert the(found, "size-mismatch").examples == [("ben/train/im01.png", sizes)]
    assert the(found, "unlisted-values").examples == [("ben/train/im02.png", "9 (2 px)")]
    assert the(found, "unreadable-mask").examples[0][0] == "ben/train/im03.png"
    assert the(found, "missing-image").examples == [("ben/val/im99.png", "")]
    assert found.to_json()["annotators"]["pairs"][0]["images"] == 2


def test_an_image_needs_a_mask_of_one_annotator(team, pairs):
    image = pairs(1, first=90)["images/im90.png"]
    found = audit(team({"images/train/im90.png": image}))
    assert the(found, "missing-mask").examples == [("images/train/im90.png", "")]


def test_one_annotator_has_nobody_to_agree_with(team):
    found = audit(team(yaml=TEAM.replace(", ben", "")))
    assert found.to_json()["annotators"] is None
    assert "Masks by annotator" not in found.to_text()
