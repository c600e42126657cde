"""Class lists and mask values as other tools write them: the classes must arrive by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.codec import TRANSPARENT
from maskwright.core.errors import DataError
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.score import score

SIZE_HW = (40, 60)


def draw_photo(path: Path) -> None:
    """Write a grey photograph of `SIZE_HW`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shade = sum(map(ord, path.stem)) % 200
    Image.fromarray(np.full((*SIZE_HW, 3), shade, np.uint8)).save(path)


def draw_two(index: int) -> NDArray[np.uint8]:
    """Class indices with an upper block of 1 and a lower one of 2 on 0."""
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[5:15, 5:30] = 1
    mask[20:30, 5 + index : 30] = 2
    return mask


def draw_one(index: int) -> NDArray[np.uint8]:
    """Class indices with one block of 1 on 0."""
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[5:15, 5 : 30 + index] = 1
    return mask


def save_mask(path: Path, values: NDArray[np.generic]) -> None:
    """Write a mask as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def test_a_byte_order_mark_does_not_change_the_order_of_classes(tmp_path):
    data = tmp_path / "data"
    expected = {f"a{i}": draw_two(0) for i in range(4)}
    for key, mask in expected.items():
        draw_photo(data / f"images/{key}.png")
        save_mask(data / f"masks/{key}.png", mask)
    (data / "classes.txt").write_bytes(b"\xef\xbb\xbf1 road\r\n0 background\r\n2 car\r\n")

    assert_converts_to(data, expected, ("background", "road", "car"))


def test_yolo_texts_with_byte_order_marks_are_read(tmp_path):
    data = tmp_path / "data"
    expected = {}
    (data / "labels").mkdir(parents=True)
    for index in range(4):
        draw_photo(data / f"images/a{index}.jpg")
        mark = "\ufeff" if index == 0 else ""
        line = "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\r\n"
        (data / f"labels/a{index}.txt").write_bytes((mark + line).encode())
        mask = np.zeros(SIZE_HW, np.uint8)
        mask[4:21, 6:31] = 1
        expected[f"a{index}"] = mask
    (data / "classes.txt").write_bytes("\ufeffcar\r\ntree\r\n".encode())

    assert_converts_to(data, expected, ("background", "car", "tree"))


BLACK, RED, GREEN = (0, 0, 0), (255, 0, 0), (0, 255, 0)
THREE = ("class_0", "class_1", "class_2")
BINARY = ("background", "foreground")


def save_palette(path: Path, indices: NDArray[np.uint8], colors: list[tuple[int, ...]]) -> None:
    """Write an indexed PNG with these colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices)
    image.putpalette([value for color in colors for value in color])
    image.save(path)


def save_shuffled(path: Path, mask: NDArray[np.uint8], order: list[int]) -> None:
    """Write a mask of black, red and green whose palette has this order."""
    colors = [(BLACK, RED, GREEN)[i] for i in order]
    save_palette(path, np.argsort(order).astype(np.uint8)[mask], colors)


def write_dataset(
    data: Path, save: Callable[[Path, int], None], *, number: int = 6, suffix: str = "png"
) -> None:
    """Write `number` images, and masks by `save`, which takes the path and the number."""
    for index in range(number):
        draw_photo(data / f"images/{index}.png")
        (data / "masks").mkdir(exist_ok=True)
        save(data / f"masks/{index}.{suffix}", index)


def test_palettes_with_the_same_colours_in_another_order_are_read_by_colour(tmp_path):
    data, orders = tmp_path / "data", ([0, 1, 2], [0, 2, 1])
    write_dataset(data, lambda path, i: save_shuffled(path, draw_two(i), orders[i % 2]))

    assert_converts_to(data, {f"{i}": draw_two(i) for i in range(6)}, THREE)


def test_palettes_of_other_colours_are_refused_naming_two_files_and_the_line(tmp_path):
    data = tmp_path / "data"
    colors = ([BLACK, RED, GREEN], [BLACK, (0, 0, 255), GREEN])
    write_dataset(data, lambda path, i: save_palette(path, draw_two(i), colors[i % 2]))

    with pytest.raises(DataError) as refusal:
        open_dataset(data)
    assert str(refusal.value) == (
        f"{data}: index 1 is #ff0000 in the palette of {data / 'masks/0.png'} and #0000ff in "
        f"that of {data / 'masks/1.png'}, so an index has no fixed meaning; save all "
        f"masks with one palette, or write one line in dataset.yaml: 'codec: {{pixels: rgb}}' "
        f"to read them by colour, 'codec: {{pixels: index}}' to read them by index"
    )
    (data / "dataset.yaml").write_text("codec: {pixels: index}\n")
    assert open_dataset(data).spec.names == THREE
    (data / "dataset.yaml").write_text("codec: {pixels: rgb}\n")
    assert len(open_dataset(data).spec) == 4


def test_classes_that_are_listed_by_index_do_not_hide_a_changed_palette(tmp_path):
    data = tmp_path / "data"
    orders = ([0, 1, 2], [0, 2, 1])
    write_dataset(data, lambda path, i: save_shuffled(path, draw_two(i), orders[i % 2]))
    for name, text in (
        ("classes.txt", "0 back\n1 car\n2 tree\n"),
        ("dataset.yaml", "classes: [{name: back}, {name: car}, {name: tree}]\n"),
    ):
        (data / name).write_text(text)
        with pytest.raises(DataError, match="index 1 is #ff0000 in the palette of"):
            open_dataset(data)


def test_a_palette_that_differs_only_in_unused_colours_is_no_conflict(tmp_path):
    data = tmp_path / "data"
    unused = ([BLACK, RED, GREEN, (1, 1, 1)], [BLACK, RED, GREEN, (2, 2, 2)])
    write_dataset(data, lambda path, i: save_palette(path, draw_two(i), unused[i % 2]))
    assert open_dataset(data).codec.pixels == "index"


def test_score_reads_palettes_of_another_order_by_colour(tmp_path):
    for folder, order in (("truth", [0, 1, 2]), ("predicted", [0, 2, 1])):
        for index in range(3):
            save_shuffled(tmp_path / folder / f"{index}.png", draw_two(index), order)
    report = score(tmp_path / "predicted", tmp_path / "truth")
    assert report.miou == 1.0


def test_opaque_masks_with_alpha_are_read_by_colour(tmp_path):
    data = tmp_path / "data"
    rgba = np.array([[*BLACK, 255], [*RED, 255], [*GREEN, 255]], np.uint8)
    write_dataset(data, lambda path, i: save_mask(path, rgba[draw_two(i)]))

    assert_converts_to(data, {f"{i}": draw_two(i) for i in range(6)}, THREE)


def test_a_transparent_background_is_one_class_whatever_its_colour(tmp_path):
    data = tmp_path / "data"
    clear = ([0, 0, 0, 0], [255, 255, 255, 0])

    def save(path: Path, index: int) -> None:
        rgba = np.array([clear[index % 2], [*RED, 255], [*GREEN, 255]], np.uint8)
        save_mask(path, rgba[draw_two(index)])

    write_dataset(data, save)
    assert_converts_to(data, {f"{i}": draw_two(i) for i in range(6)}, THREE)
    assert open_dataset(data).codec.raw_to_index[TRANSPARENT] == 0
    assert "raw: ['#00000000']" in (data / "dataset.yaml").read_text()


def test_transparent_and_black_pixels_are_asked_about(tmp_path):
    data = tmp_path / "data"
    rgba = np.array([[0, 0, 0, 0], [*BLACK, 255], [*GREEN, 255]], np.uint8)
    write_dataset(data, lambda path, i: save_mask(path, rgba[draw_two(i)]))
    with pytest.raises(DataError, match=r"transparent pixels .* and black ones .* one backgr"):
        open_dataset(data)
    (data / "dataset.yaml").write_text("codec: {pixels: rgb, ignored: ['#00000000']}\n")
    assert len(open_dataset(data).spec) == 2


def test_grey_masks_with_alpha_and_masks_of_one_bit_are_binary(tmp_path):
    opaque = np.full(SIZE_HW, 255, np.uint8)
    forms = {
        "la": lambda mask: np.stack([mask * 255, opaque], -1),
        "bit": lambda mask: mask.astype(bool),
    }
    for name, form in forms.items():
        data = tmp_path / name
        write_dataset(data, lambda path, i, form=form: save_mask(path, form(draw_one(i))))
        assert_converts_to(data, {f"{i}": draw_one(i) for i in range(6)}, BINARY)


def test_binary_masks_of_two_forms_are_asked_about_with_both_counts(tmp_path):
    data = tmp_path / "data"
    write_dataset(data, lambda path, i: save_mask(path, draw_one(i) * (255 if i < 2 else 1)))
    with pytest.raises(DataError) as refusal:
        open_dataset(data)
    assert (
        "all masks hold two values, but not the same ones (4 of 0 and 1, 2 of 0 and 255), so "
        "255 could be the foreground or ignored; write one line"
    ) in str(refusal.value)
    line = "classes: [{name: background, raw: [0]}, {name: foreground, raw: [1, 255]}]"
    assert line in str(refusal.value)
    (data / "dataset.yaml").write_text(line)
    assert_converts_to(data, {f"{i}": draw_one(i) for i in range(6)}, BINARY)


def test_binary_masks_of_several_depths_are_one_foreground(tmp_path):
    data = tmp_path / "data"

    def save(path: Path, index: int) -> None:
        mask = draw_one(index)
        white = mask * 255
        save_mask(path, [white, mask, mask.astype(bool), np.stack([white] * 3, -1)][index % 4])

    write_dataset(data, save, number=8)
    assert_converts_to(data, {f"{i}": draw_one(i) for i in range(8)}, BINARY)


def test_the_nodata_value_of_gdal_is_ignored_and_said(tmp_path):
    data = tmp_path / "data"
    expected = {f"{i}": draw_two(i) for i in range(6)}
    for mask in expected.values():
        mask[:, :4] = 255

    def save(path: Path, index: int) -> None:
        values = draw_two(index).astype(np.int16)
        values[:, :4] = -9999
        tifffile.imwrite(path, values, extratags=[(42113, "s", 6, "-9999", True)])

    write_dataset(data, save, suffix="tif")
    assert_converts_to(data, expected, THREE)
    assert "-9999 is IGNORE: the masks themselves declare" in " ".join(open_dataset(data).notes)


def test_a_value_below_0_is_never_a_class_without_a_question(tmp_path):
    data = tmp_path / "data"
    write_dataset(
        data,
        lambda path, i: tifffile.imwrite(path, draw_two(i).astype(np.int16) - 1),
        suffix="tif",
    )
    with pytest.raises(DataError, match=r"values below 0, -1 \(.*codec: \{ignored: \[-1\]\}"):
        open_dataset(data)
    (data / "dataset.yaml").write_text("codec: {ignored: [-1]}\n")
    assert open_dataset(data).spec.names == ("class_0", "class_1")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_whole_numbers_of_any_type_are_classes(tmp_path, dtype):
    data = tmp_path / "data"
    write_dataset(
        data, lambda path, i: tifffile.imwrite(path, draw_two(i).astype(dtype)), suffix="tif"
    )
    assert_converts_to(data, {f"{i}": draw_two(i) for i in range(6)}, THREE)


def test_float_slices_of_nifti_masks_are_classes(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    data = tmp_path / "data"
    volume = np.zeros((24, 20, 4))
    volume[4:12, 5:10] = 1
    volume[14:20, 5:12, 1:3] = 2
    for folder, values in (("images", np.zeros((24, 20, 4), np.int16)), ("masks", volume)):
        (data / folder).mkdir(parents=True)
        image = nibabel.Nifti1Image(values, np.eye(4))
        nibabel.save(image, data / folder / "c0.nii.gz")
    dataset = open_dataset(data)
    assert dataset.spec.names == THREE
    counts = sum(np.bincount(dataset.labels(i).ravel(), minlength=3) for i in range(4))
    assert counts.tolist() == [1920 - 160 - 84, 160, 84]
