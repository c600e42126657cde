"""Pages of files that hold several images: TIFF, and how they run through a dataset."""

import json
import struct
import time
from contextlib import suppress
from itertools import islice

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from maskwright import convert, open_dataset
from maskwright.core.errors import DataError
from maskwright.data.entries.walk import image_files
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import count_pages, image_size, read_image
from maskwright.data.pixels.rawmask import is_lossy, read_raw
from maskwright.data.pixels.tiff_file import num_directories

RNG = np.random.default_rng(11)
STACK = RNG.integers(0, 1 << 16, (20, 5, 7), np.uint16)


def pages_of(path):
    return [ImageRef(path, n) for n in range(count_pages(path))]


WRITTEN = {
    "pages": {"photometric": "minisblack"},
    "volume": {"photometric": "minisblack", "metadata": {"axes": "ZYX"}},
    "packed": {"photometric": "minisblack", "metadata": {"axes": "ZYX"}, "compression": "zlib"},
    "imagej": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "big": {"photometric": "minisblack", "bigtiff": True, "byteorder": ">"},
}


@pytest.mark.parametrize("how", WRITTEN)
def test_every_page_of_a_stack_is_an_image(tmp_path, how):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, **WRITTEN[how])
    assert count_pages(path) == 20
    for page, expected in zip(pages_of(path), STACK, strict=True):
        np.testing.assert_array_equal(read_image(page), expected[..., None])
        assert image_size(page) == (5, 7)


def test_imagej_stacks_under_one_directory_are_pages(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "ZYX"})
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        place = page.offset + 2 + 12 * len(page.tags)
    content[place : place + 4] = bytes(4)
    path.write_bytes(content)
    assert num_directories(path) == 1
    assert count_pages(path) == 20
    np.testing.assert_array_equal(read_image(ImageRef(path, 3))[..., 0], STACK[3])
    with pytest.raises(DataError, match=r"a\.tif: has no page 20"):
        read_image(ImageRef(path, 20))


def test_colour_pages_and_pages_of_several_sizes_are_images(tmp_path):
    path = tmp_path / "a.tif"
    photos = [RNG.integers(0, 256, (5 + n, 7, 3), np.uint8) for n in range(3)]
    first, *others = (Image.fromarray(photo) for photo in photos)
    first.save(path, save_all=True, append_images=others)
    assert count_pages(path) == 3
    for page, photo in zip(pages_of(path), photos, strict=True):
        np.testing.assert_array_equal(read_image(page), photo)
        assert not is_lossy(page)


def test_palette_pages_are_colours_as_images_and_indices_as_masks(tmp_path):
    path = tmp_path / "a.tif"
    masks = [Image.fromarray(np.full((3, 4 + n), n, np.uint8)) for n in range(2)]
    for mask in masks:
        mask.putpalette([0, 0, 0, 9, 8, 7])
    masks[0].save(path, save_all=True, append_images=masks[1:])
    assert read_raw(ImageRef(path, 1), "index").tolist() == [[1] * 5] * 3
    assert read_image(ImageRef(path, 1))[0, 0].tolist() == [9, 8, 7]


def test_few_pages_without_a_meaning_are_channels(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[:16], photometric="minisblack")
    assert count_pages(path) is None
    assert read_image(path).shape == (5, 7, 16)
    tifffile.imwrite(path, STACK[:17], photometric="minisblack")
    assert count_pages(path) == 17


def test_smaller_copies_inside_a_file_are_not_pages(tmp_path):
    path = tmp_path / "a.tif"
    photo = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    with tifffile.TiffWriter(path) as file:
        file.write(photo, photometric="rgb")
        file.write(photo[::2, ::2], photometric="rgb", subfiletype=1)
    assert count_pages(path) is None


def test_a_million_pages_are_refused_at_once(tmp_path):
    path = tmp_path / "a.tif"
    count = 1_000_000
    with path.open("wb") as file:
        file.write(struct.pack("<2sHI", b"II", 42, 8))
        for n in range(count):
            file.write(struct.pack("<HI", 0, 8 + 6 * (n + 1) if n + 1 < count else 0))
    start = time.thread_time()
    assert list(image_files(tmp_path)) == [ImageRef(path)]
    with pytest.raises(DataError, match=r"a\.tif: holds over 9,999 pages; save it as several"):
        read_image(path)
    assert time.thread_time() - start < 10


def test_directories_that_go_round_in_a_circle_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, STACK[0])
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
    place = page.offset + 2 + 12 * len(page.tags)
    content[place : place + 4] = struct.pack("<I", page.offset)
    path.write_bytes(content)
    with pytest.raises(DataError, match="over 9,999 pages"):
        read_image(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / "data" / name).mkdir(parents=True)
    masks = RNG.integers(0, 3, STACK.shape).astype(np.uint8)
    told = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    for case in ("one", "two"):
        tifffile.imwrite(tmp_path / "data/images" / f"{case}.tif", STACK, **told)
        tifffile.imwrite(tmp_path / "data/masks" / f"{case}.tif", masks, **told)
    classes = "{classes: [{name: a}, {name: b}, {name: c}]}"
    (tmp_path / "data/dataset.yaml").write_text(classes)
    return tmp_path / "data", masks


def test_a_volume_pairs_with_its_mask_page_by_page_and_is_a_group(folder):
    root, masks = folder
    data = open_dataset(root)
    assert len(data) == 40
    sample = next(sample for sample in data if sample.key == "one.tif__0003")
    assert sample.group == "one.tif"
    np.testing.assert_array_equal(sample.image_HWC[..., 0], STACK[3])
    np.testing.assert_array_equal(sample.labels_HW, masks[3])
    for case in ("one", "two"):
        splits = {entry.split for entry in data.entries if entry.group == f"{case}.tif"}
        assert len(splits) == 1


def test_pages_are_converted_to_files_of_their_own(folder, tmp_path):
    root, _ = folder
    account = convert(root, tmp_path / "out", to="mask_folder", verify=True)
    assert account.agreement.ratio == 1
    written = sorted((tmp_path / "out/images").rglob("*.tif"))
    assert len(written) == 40
    np.testing.assert_array_equal(read_image(written[3])[..., 0], STACK[3])
    notes = json.loads((tmp_path / "out/conversion.json").read_text())["notes"]
    assert any("40 pages of volumes are written as TIFF" in note for note in notes)


def test_pages_with_channels_in_planes_are_read_as_rows_columns_channels(tmp_path):
    path = tmp_path / "a.tif"
    pages = RNG.integers(0, 1 << 16, (2, 5, 7, 4), np.uint16)
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            planes = np.moveaxis(page, -1, 0)
            file.write(
                planes, photometric="minisblack", planarconfig="separate", contiguous=False
            )
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(read_image(ImageRef(path, number)), page)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_stack_gives_pixels_or_one_clear_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    tifffile.imwrite(folder / "a.tif", STACK[:18], photometric="minisblack")
    content = bytearray((folder / "a.tif").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 399))] = data.draw(st.integers(0, 255))
    (folder / "a.tif").write_bytes(content[: data.draw(st.integers(8, len(content)))])
    for image in islice(image_files(folder), 2):
        for read in (read_image, image_size, lambda path: read_raw(path, "index")):
            with suppress(DataError):
                read(image)
