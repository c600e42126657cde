import numpy as np
import pytest
import torch

from maskwright.core.sample import Sample
from maskwright.training.recipe import Recipe, override
from maskwright.training.samples.loader import Crops, Normalize, RareClasses, make_loader

COUNTS = np.array([[900, 100, 0], [1000, 0, 0], [990, 0, 10], [995, 0, 20]], np.int64)


def read(number):
    labels = np.zeros((40, 40), np.uint8)
    if number == 0:
        labels[:3, :33] = 1
    if number > 1:
        labels[30:34, 20:25] = 2
    image = np.full((40, 40, 3), 40 * number, np.uint8)
    return Sample(key=f"k{number}", group="g", image_HWC=image, labels_HW=labels)


def crops(**settings):
    recipe = override(Recipe(), {"data.crop_px": [32, 32], "data.batch_size": 4} | settings)
    return recipe, Crops(read, COUNTS, recipe, num_samples=24)


def test_each_epoch_shows_every_image_once_in_another_order():
    _, dataset = crops(**{"data.rare_share": 0.0})
    keys = [dataset[n]["key"] for n in range(24)]
    epochs = [keys[i : i + 4] for i in range(0, 24, 4)]
    assert all(sorted(e) == ["k0", "k1", "k2", "k3"] for e in epochs)
    assert len({tuple(e) for e in epochs}) > 1


def test_a_sample_depends_on_its_number_alone():
    recipe, dataset = crops()
    whole = list(make_loader(dataset, recipe, first=0))
    rest = list(make_loader(dataset, recipe, first=8))
    for one, other in zip(whole[2:], rest, strict=True):
        assert one["key"] == other["key"]
        assert torch.equal(one["image"], other["image"])
        assert torch.equal(one["labels"], other["labels"])


@pytest.mark.slow
def test_worker_processes_change_nothing():
    recipe, dataset = crops()
    more, _ = crops(**{"data.workers": 2})
    for one, other in zip(
        make_loader(dataset, recipe, first=0), make_loader(dataset, more, first=0), strict=True
    ):
        assert torch.equal(one["image"], other["image"])


def test_rare_crops_hold_a_drawn_class_and_rare_ones_are_drawn_more():
    rare = RareClasses.from_counts(COUNTS)
    share = COUNTS.sum(0) / COUNTS.sum()
    expected = 1 / np.sqrt(share)
    np.testing.assert_allclose(rare.probability_C, expected / expected.sum())
    # Ten pixels are too few to count: only image 3 is said to hold class 2.
    assert rare.images_of_class[2].tolist() == [3]
    _, dataset = crops(**{"data.rare_share": 1.0, "augment.rotate_deg": 0.0})
    held = [n for n in range(24) if (dataset[n]["labels"] == 2).any()]
    assert len(held) > 24 * rare.probability_C[2] / 2


def test_a_dataset_without_any_labelled_pixel_still_gives_crops():
    assert (
        RareClasses.from_counts(np.zeros((3, 2), np.int64)).draw(np.random.default_rng(0))
        is None
    )


def test_training_normalises_as_the_input_spec_does():
    values = {"channels": 2, "mean": (0.5, 0.25), "std": (0.25, 0.5), "max_value": 65535}
    recipe = Recipe(input=values, augment={"jpeg": 0.0})
    image_HWC = np.random.default_rng(0).integers(0, 65536, (5, 6, 2)).astype(np.uint16)
    scaling = recipe.input.spec.measure_scaling(image_HWC)
    image_HWC[0, 0] = scaling.neutral_C
    found = Normalize.of_recipe(recipe)(torch.from_numpy(image_HWC[None]))[0]
    np.testing.assert_allclose(found, scaling.normalize(image_HWC), atol=1e-6)
    np.testing.assert_allclose(found[:, 0, 0], 0, atol=1e-4)
    assert found[None].is_contiguous(memory_format=torch.channels_last)
    assert float(found[0, 1, 1]) == pytest.approx((image_HWC[1, 1, 0] / 65535 - 0.5) / 0.25)
