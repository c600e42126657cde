import numpy as np
import torch

from maskwright.core import IGNORE
from maskwright.core.sample import Sample
from maskwright.training.recipe import Recipe, override
from maskwright.training.samples.augment import Crop
from maskwright.training.samples.loader import Crops
from maskwright.training.samples.mix import draw_half_of_classes, paste

COUNTS = np.array([[1500, 100, 0], [1600, 0, 0], [1400, 0, 200], [1300, 0, 300]])


def read(number):
    """Image `number`, all of grey value 40 * number, with the classes that COUNTS says."""
    labels = np.zeros(1600, np.uint8)
    start = 0
    for index, count in enumerate(COUNTS[number]):
        labels[start : start + count] = index
        start += count
    image = np.full((40, 40, 3), 40 * number, np.uint8)
    return Sample(
        key=f"k{number}", group="g", image_HWC=image, labels_HW=labels.reshape(40, 40)
    )


def crop(labels):
    labels_AHW = np.array([labels], np.uint8)
    return Crop(np.repeat(labels_AHW[0][..., None] * 20, 3, axis=2), labels_AHW)


def test_pixels_and_labels_of_the_classes_come_along_and_nothing_else():
    onto, source = crop([[0, 0, IGNORE], [1, 1, 1]]), crop([[2, IGNORE, 2], [0, 0, 2]])
    image, labels = paste(onto, source, [2])
    assert labels.tolist() == [[[2, 0, 2], [1, 1, 2]]]
    assert image[..., 0].tolist() == [[40, 0, 40], [20, 20, 40]]
    np.testing.assert_array_equal(image[..., 2], image[..., 0])


def test_half_of_the_classes_is_rounded_up_and_never_ignore():
    shown = crop([[0, 1, 4], [IGNORE, 4, 4]])
    chosen = [draw_half_of_classes(shown, np.random.default_rng(s)) for s in range(20)]
    assert all(len(c) == 2 and set(c) < {0, 1, 4} for c in chosen)
    assert {index for c in chosen for index in c} == {0, 1, 4}
    assert draw_half_of_classes(crop([[IGNORE]]), np.random.default_rng(0)) == []


def crops(**settings):
    colour = dict.fromkeys(("brightness", "contrast", "saturation", "hue", "blur"), 0.0)
    still = colour | {"noise": 0.0, "jpeg": 0.0, "rotate_deg": 0.0, "scale": [1.0, 1.0]}
    recipe = override(
        Recipe(),
        {"data.crop_px": [32, 32], "data.rare_share": 0.0}
        | {f"augment.{key}": value for key, value in still.items()}
        | settings,
    )
    return Crops(read, COUNTS, recipe, num_samples=40)


def agree(item):
    """The image of `read` tells its number, and by that which classes its pixels may have."""
    number = (item["image"][..., 0] / 40).round().long()
    allowed = {0: {0, 1}, 1: {0}, 2: {0, 2}, 3: {0, 2}}
    return all(
        int(label) in {*allowed[int(n)], IGNORE}
        for n, label in zip(number.flatten(), item["labels"].flatten(), strict=True)
    )


def test_copy_paste_brings_rare_classes_with_their_own_pixels():
    plain, pasted = crops(), crops(**{"data.copy_paste": 1.0})

    def share(dataset):
        return np.mean([bool((dataset[n]["labels"] > 0).any()) for n in range(40)])

    assert share(pasted) > share(plain)
    assert all(agree(pasted[n]) for n in range(20))


def test_a_class_with_more_than_its_share_of_the_pixels_is_not_pasted():
    rare = crops(**{"data.copy_paste": 1.0}).pasted
    assert rare.probability_C[0] == 0
    assert all(rare.probability_C[1:] > 0)


def test_class_mix_keeps_every_pixel_with_its_own_label():
    mixed = crops(**{"data.class_mix": 1.0})
    assert all(agree(mixed[n]) for n in range(20))
    numbers = [(mixed[n]["image"][..., 0] / 40).round().unique().numel() for n in range(20)]
    assert max(numbers) > 1


def test_weather_comes_over_the_labels_that_stay():
    plain, wet = crops(), crops(**{"weather.share": 1.0})
    for n in range(6):
        assert torch.equal(plain[n]["labels"], wet[n]["labels"])
        assert not torch.equal(plain[n]["image"], wet[n]["image"])
