import io

import numpy as np
import pytest
from PIL import Image

from maskwright.core.progress import silent
from maskwright.data.check.duplicates import ImageHashes, find_duplicates
from maskwright.data.check.findings import Findings
from maskwright.data.check.imagescan import compute_perceptual_hash, make_thumbnail, scan_image
from maskwright.data.entries.scan import Entry
from maskwright.data.pixels.imageref import ImageRef


def photo(seed, size=(48, 64)):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)


def jpeg(image, quality):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return np.array(Image.open(buffer))


def hash_pixels(image_HWC):
    return compute_perceptual_hash(make_thumbnail(image_HWC))


@pytest.fixture
def notes():
    """The notes of the calls of `compare`."""
    return []


@pytest.fixture
def compare(write, notes):
    """A function: the codes found among {path: pixels}, by the first folder as split."""

    def run(files):
        root = write(files)
        entries = [
            Entry(key=n, split=n.split("/")[0], image=ImageRef(root / n), labels=None, group=n)
            for n in files
        ]
        looks, findings = ImageHashes.empty(len(entries)), Findings(root)
        for row, entry in enumerate(entries):
            looks.add(row, scan_image(entry.image, 320))
        notes.extend(find_duplicates(entries, looks, findings, silent))
        return {f.code: f.examples for f in findings.sort()}

    return run


def test_equal_pixels_are_found_in_and_across_splits(compare):
    one, other = photo(1), photo(2)
    found = compare(
        {"train/a.png": one, "train/b.bmp": one, "val/c.png": one, "val/d.png": other}
    )
    assert found == {
        "duplicate": [("train/b.bmp", "equal to train/a.png")],
        "duplicate-across-splits": [("val/c.png", "equal to train/a.png: val and train")],
    }


def test_a_copy_in_another_encoding_and_size_is_a_leak(compare):
    one = photo(1, (240, 320))
    smaller = Image.fromarray(jpeg(one, 60)).resize((260, 190))
    found = compare({"train/a.png": one, "val/b.png": smaller, "val/c.png": photo(2)})
    assert list(found) == ["copy-across-splits"]
    ((file, detail),) = found["copy-across-splits"]
    assert file == "val/b.png"
    assert detail.startswith("like train/a.png (difference 0.0")


def test_frames_of_a_video_are_similar(compare):
    frame = np.array(photo(1, (120, 160)))
    found = compare({"train/a.png": frame[:, :-1], "val/b.png": frame[:, 1:]})
    assert list(found) == ["similar-across-splits"]
    assert list(compare({"train/a.png": frame[:, :-1], "train/b.png": frame[:, 1:]})) == [
        "near-duplicate"
    ]


def test_other_pictures_are_not_alike(compare):
    assert compare({f"{s}/{n}.png": photo(n) for n in range(40) for s in ("ab"[n % 2],)}) == {}


def test_dark_and_blank_pictures_are_not_taken_for_each_other(compare):
    noise = np.random.default_rng(0)
    files = {
        f"{'tv'[n % 2]}/{n}.png": noise.integers(60 * n, 60 * n + 3, (40, 40), np.uint8)
        for n in range(4)
    }
    assert compare(files) == {}


def test_the_hash_hardly_moves_with_the_encoding():
    moved = []
    for seed in range(200):
        image = photo(seed)
        bits = hash_pixels(np.array(image)) ^ hash_pixels(jpeg(image, 40 + seed % 56))
        moved.append(bits.bit_count())
    assert np.mean(moved) < 3
    assert np.mean(np.array(moved) <= 8) >= 0.99  # a hash is told from another by 8 bits


def test_every_kind_of_image_has_a_hash():
    for shape, dtype in (((5, 7, 1), np.uint8), ((9, 9, 5), np.uint16), ((1, 1, 3), np.uint8)):
        assert 0 <= hash_pixels(np.zeros(shape, dtype)) < 1 << 64


def test_similar_images_suggest_the_expression_that_groups_them(compare, notes):
    """Two clips of three frames, each its own group; frames differ by a little noise."""
    rng = np.random.default_rng(0)
    files = {}
    for clip in range(2):
        for frame in range(3):
            pixels = np.asarray(photo(10 + clip), np.int16) + rng.integers(-12, 12, (48, 64, 3))
            pixels = np.clip(pixels, 0, 255).astype(np.uint8)
            files[f"train/clip{clip}_{frame:03}.png"] = Image.fromarray(pixels)
    compare(files)
    (note,) = notes
    assert "4 similar images are in another group" in note
    assert r"--group '^(.*?)\d+\D*$' of `split` makes 2 groups and puts 4 of them" in note


def test_unrelated_images_suggest_no_groups(compare, notes):
    compare({f"train/clip{i % 2}_{i}.png": photo(20 + i) for i in range(6)})
    assert notes == []


def test_images_of_many_bands_are_compared_by_their_first_three():
    image = np.random.default_rng(2).integers(0, 4000, (40, 50, 12)).astype(np.uint16)
    first = hash_pixels(image[..., :3])
    assert hash_pixels(image) == first
    image[..., :3] = image[::-1, ..., :3]
    assert hash_pixels(image) != first
