"""Votes of several annotators from the Sample to the batch: always those of the same pixels."""

import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskwright.core import IGNORE
from maskwright.core.card import ArchSpec
from maskwright.core.sample import Sample
from maskwright.data.dataset import open_dataset
from maskwright.data.entries.votes import majority_vote
from maskwright.nn.build import new_model
from maskwright.nn.loss import build_loss
from maskwright.training.recipe import Recipe, override
from maskwright.training.samples.loader import Crops, Normalize, make_loader

MOVING = {
    "augment.scale": [0.6, 1.8],
    "augment.rotate_deg": 40.0,
    "augment.flip_vertical": 0.5,
    "data.class_mix": 0.5,
    "data.copy_paste": 0.5,
    "data.rare_share": 0.5,
    "data.crop_px": [32, 40],
    "data.batch_size": 2,
}


def drawn(number, num_annotators=3):
    """Votes (A, 40, 50) of three classes in blocks, often in dispute; not all drew all."""
    rng = np.random.default_rng(number)
    small = rng.choice([0, 0, 1, 2, IGNORE], (num_annotators, 10, 13)).astype(np.uint8)
    votes = small.repeat(4, axis=1).repeat(4, axis=2)[:, :40, :50]
    votes[number % num_annotators] = IGNORE if number % 2 else votes[number % num_annotators]
    return votes


def read(number):
    votes = drawn(number)
    return Sample(
        key=f"k{number}",
        group="g",
        image_HWC=np.full((40, 50, 3), 40 * number, np.uint8),
        labels_HW=majority_vote(votes),
        votes_AHW=votes,
    )


def counts():
    return np.array([[(read(n).labels_HW == c).sum() for c in range(3)] for n in range(6)])


def crops(read=read, **changes):
    recipe = override(Recipe(), MOVING | changes)
    return recipe, Crops(read, counts(), recipe, num_samples=12)


@given(st.integers(0, 2**31 - 1))
@settings(deadline=None, max_examples=40)
def test_labels_stay_the_majority_of_the_votes_through_every_move_and_mix(seed):
    item = crops(seed=seed)[1][seed % 12]
    assert item["votes"].dtype == torch.uint8
    assert item["votes"].shape == (3, 32, 40)
    np.testing.assert_array_equal(item["labels"], majority_vote(item["votes"].numpy()))


def test_every_annotator_keeps_one_plane():
    """Each votes for one class alone, another than the others, so a mix-up would show."""

    def apart(number):
        votes = np.stack([np.full((40, 50), a, np.uint8) for a in range(3)])
        whole = read(number)
        return Sample(
            key=whole.key,
            group="g",
            image_HWC=whole.image_HWC,
            labels_HW=majority_vote(votes),
            votes_AHW=votes,
        )

    _, dataset = crops(apart)
    for n in range(12):
        for annotator, plane in enumerate(dataset[n]["votes"]):
            assert set(plane.unique().tolist()) <= {annotator, IGNORE}


def test_votes_change_neither_image_nor_labels():
    def without(number):
        whole = read(number)
        return Sample(
            key=whole.key, group="g", image_HWC=whole.image_HWC, labels_HW=whole.labels_HW
        )

    (_, one), (_, other) = crops(), crops(without)
    for n in range(12):
        assert "votes" not in other[n]
        assert torch.equal(one[n]["image"], other[n]["image"])
        assert torch.equal(one[n]["labels"], other[n]["labels"])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_batches_hold_the_votes_of_their_samples(workers):
    recipe, dataset = crops(**{"data.workers": workers})
    batches = list(make_loader(dataset, recipe, first=4))
    assert [batch["votes"].shape for batch in batches] == [(2, 3, 32, 40)] * 4
    assert torch.equal(batches[1]["votes"][1], dataset[7]["votes"])


@pytest.fixture
def street_of_two(street, tmp_path):
    """A function: the street with this line in dataset.yaml; `ben` saw it two pixels lower."""
    root = tmp_path / "two"
    shutil.copytree(street, root)
    shutil.copytree(root / "masks", root / "ben")
    for path in sorted((root / "ben").rglob("*.png")):
        with Image.open(path) as mask:
            lower = np.roll(np.asarray(mask), 2, axis=0)
        Image.fromarray(lower).save(path)
    plain = (root / "dataset.yaml").read_text()

    def opened(line):
        (root / "dataset.yaml").write_text(plain + line)
        return open_dataset(root).subset("train")

    return opened


def after_two_steps(dataset):
    """Losses of two steps on batches of the loader, and the weights they leave."""
    torch.manual_seed(0)
    num_classes = len(dataset.spec)
    model = new_model(ArchSpec(name="fpn", encoder="test_resnet"), 3, num_classes)
    recipe = override(Recipe(), MOVING)
    counts = np.ones((len(dataset), num_classes), np.int64) * 20
    crops = Crops(dataset.__getitem__, counts, recipe, num_samples=4)
    loss, losses = build_loss("ce + dice", {}, None), []
    steps = torch.optim.SGD(model.train().parameters(), lr=0.1)
    normalize = Normalize.of_recipe(recipe)
    for batch in make_loader(crops, recipe, first=0):
        steps.zero_grad()
        outputs = model(normalize(batch["image"]))
        value = model.loss(outputs, batch["labels"].long(), loss, batch.get("votes"))
        value.backward()
        steps.step()
        losses.append(value.item())
    return losses, torch.cat([p.detach().flatten() for p in model.parameters()])


def test_one_annotator_teaches_bit_for_bit_what_masks_do_and_a_second_something_else(
    street_of_two,
):
    plain, weights = after_two_steps(street_of_two(""))
    one, same = after_two_steps(street_of_two("annotators: [masks]\n"))
    two, other = after_two_steps(street_of_two("annotators: [masks, ben]\n"))
    assert one == plain
    assert torch.equal(same, weights)
    assert len(two) == 2
    assert np.isfinite(two).all()
    assert torch.isfinite(other).all()
    assert not torch.equal(other, weights)
