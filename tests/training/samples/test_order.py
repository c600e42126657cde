"""The order of samples: every image once per epoch, volumes that do not fit in blocks."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from maskwright.core.sample import Sample
from maskwright.data.dataset import open_dataset
from maskwright.data.pixels import gunzip, nifti
from maskwright.data.pixels.gunzip import UnpackedFiles
from maskwright.training.recipe import Recipe, override
from maskwright.training.samples.loader import Crops
from maskwright.training.samples.order import SampleOrder, find_cases

A, B, C, D = (Path(f"{name}.nii.gz") for name in "abcd")
FILES = [{A: 6}] * 4 + [{B: 3, C: 3}] * 3 + [{D: 5}] * 5


def make_order(limit_bytes, seed=3):
    return SampleOrder(len(FILES), seed, find_cases(FILES), limit_bytes=limit_bytes)


def test_images_of_the_same_files_are_a_case_and_others_are_free():
    cases = find_cases([{A: 6}, {}, {A: 6}, {}, {A: 6, B: 2}])
    assert [(images.tolist(), size) for images, size in cases] == [
        ([0, 2], 6),
        ([1], 0),
        ([3], 0),
        ([4], 8),
    ]


def test_volumes_that_fit_together_are_drawn_as_all_other_images():
    free, fitting = SampleOrder(12, 3), make_order(17)
    order = [fitting.image_index(n) for n in range(36)]
    assert order == [free.image_index(n) for n in range(36)]
    expected = np.random.default_rng((3, 0, 1)).permutation(12)
    assert order[12:24] == expected.tolist()
    assert fitting.find_block(5) is None


@pytest.mark.parametrize("limit_bytes", [1, 6, 11, 12, 16])
def test_each_epoch_shows_every_image_once_and_each_block_fits(limit_bytes):
    order = make_order(limit_bytes)
    for epoch in range(4):
        shown = [order.image_index(n) for n in range(12 * epoch, 12 * epoch + 12)]
        assert sorted(shown) == list(range(12))
        blocks = [tuple(order.find_block(12 * epoch + n)) for n in range(12)]
        assert all(image in block for image, block in zip(shown, blocks, strict=True))
        runs = [b for n, b in enumerate(blocks) if not n or b != blocks[n - 1]]
        assert len(set(runs)) == len(runs)  # no block is come back to
        for block in runs:
            sizes = {f: n for image in block for f, n in FILES[image].items()}
            assert sum(sizes.values()) <= limit_bytes or len({*map(len, [sizes])}) == 1


def test_a_sample_of_blocks_depends_on_its_number_alone():
    forward, backward = make_order(7), make_order(7)
    there = [forward.image_index(n) for n in range(30)]
    back = [backward.image_index(n) for n in reversed(range(30))]
    assert there == back[::-1]
    assert there != [make_order(7, seed=4).image_index(n) for n in range(30)]


def read(number):
    labels = np.zeros((40, 40), np.uint8)
    labels[:9, :9] = number % 2
    image = np.full((40, 40, 3), 20 * number, np.uint8)
    return Sample(key=str(number), group="g", image_HWC=image, labels_HW=labels)


def test_rare_classes_and_pasted_pixels_come_from_the_block_of_the_sample():
    seen = []

    def read_noting(number):
        seen.append(number)
        return read(number)

    settings = {"data.rare_share": 0.7, "data.class_mix": 0.5, "data.copy_paste": 0.5}
    recipe = override(Recipe(), {"data.crop_px": [32, 32]} | settings)
    counts = np.array([[1519, 81 * (n % 2)] for n in range(12)])
    order = make_order(6)
    crops = Crops(read_noting, counts, recipe, num_samples=48, order=order)
    for n in range(48):
        seen.clear()
        crops[n]
        assert set(seen) <= set(order.find_block(n).tolist())


def test_each_volume_is_unpacked_once_per_epoch(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for number in range(6):
        labels = np.zeros((16, 16, 5), np.uint8)
        labels[4:9, 4:9] = 1
        values = rng.integers(-99, 99, labels.shape).astype(np.int16)
        for kind, voxels in (("images", values), ("masks", labels)):
            path = tmp_path / kind / "train" / f"p{number}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(voxels, np.diag([1, 1, 5, 1.0])), path)
    dataset = open_dataset(tmp_path)
    limit = 2 * sum(dataset.unpacked_bytes(0).values())
    unpacked = []
    unpack = gunzip.unpack
    monkeypatch.setattr(
        gunzip, "unpack", lambda file, size: unpacked.append(file) or unpack(file, size)
    )
    monkeypatch.setattr(nifti, "unpacked_files", UnpackedFiles(limit))
    wide = {
        "input.max_value": 65535,
        "input.channels": 1,
        "input.mean": [0],
        "input.std": [1],
        "input.kind": "mr",
        "augment.unit": "std",
        "augment.saturation": 0,
        "augment.hue": 0,
        "augment.jpeg": 0,
        "data.crop_px": [16, 16],
        "data.class_mix": 0.5,
    }
    crops = Crops(
        dataset.__getitem__,
        np.tile([[231, 25]], (30, 1)),
        override(Recipe(), wide),
        num_samples=60,
        order=SampleOrder.from_dataset(dataset, 0, limit_bytes=limit),
    )
    for n in range(60):
        crops[n]
    # two epochs of six patients, each with an image and a mask
    assert len(unpacked) <= 2 * 6 * 2
    assert set(unpacked[:12]) == set(unpacked)
