"""Photographs of several kinds in one folder: converted to one kind, or refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tests.converted import assert_converts_to

from maskwright.core.errors import DataError
from maskwright.core.progress import silent
from maskwright.data.check.audit import audit
from maskwright.data.facts import find_shared_kind
from maskwright.data.pixels.imagefile import ImageKind
from maskwright.data.pixels.images import open_image, read_image
from maskwright.training.data import TrainingData

MODES = ("RGB", "CMYK", "L", "P", "RGBA", "RGB")


def draw_mask(index: int) -> NDArray[np.uint8]:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:15, 5 : 30 + index] = 1
    return mask


def draw_photo(index: int) -> Image.Image:
    noise = np.random.default_rng(index).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def write_splits(data: Path, *, odd: dict[str, Image.Image | NDArray[np.uint16]]) -> None:
    """Four RGB images in train and two in val, and `odd` by `split/name.ext`."""
    names = {f"train/{i}.png": draw_photo(i) for i in range(4)}
    names |= {f"val/{i}.png": draw_photo(i) for i in range(4, 6)} | odd
    for name, picture in names.items():
        path = data / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(picture, Image.Image):
            picture.save(path)
        else:
            tifffile.imwrite(path, picture, photometric="rgb")
        mask = (data / "masks" / name).with_suffix(".png")
        mask.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_mask(len(name)) * 255).save(mask)


def read(data: Path, **settings: object) -> TrainingData:
    named = {key.replace("__", "."): value for key, value in settings.items()}
    return TrainingData.read(data, named, silent)


def test_photographs_of_all_modes_are_converted_to_another_format(tmp_path):
    data = tmp_path / "data"
    for folder in ("images", "masks"):
        (data / folder).mkdir(parents=True)
    for index, mode in enumerate(MODES):
        suffix = "jpg" if index < 3 else "png"
        draw_photo(index).convert(mode).save(data / f"images/{index}.{suffix}")
        Image.fromarray(draw_mask(index) * 255).save(data / f"masks/{index}.png")

    expected = {f"{index}": draw_mask(index) for index in range(6)}
    assert_converts_to(data, expected, ("background", "foreground"))


@pytest.mark.parametrize(
    ("name", "mode", "kind"),
    [
        ("train/grey.png", "L", "1 of 1 channel"),
        ("val/grey.jpg", "L", "1 of 1 channel"),
    ],
)
def test_a_grey_image_among_rgb_is_converted_and_counted(tmp_path, name, mode, kind):
    write_splits(tmp_path, odd={name: draw_photo(9).convert(mode)})
    data = read(tmp_path)
    assert data.conversion == f"images are converted to 3 channels: {kind}"
    assert data.facts.channels == len(data.facts.mean) == 3
    (note,) = (f for f in audit(tmp_path).findings if f.code.endswith("-images"))
    assert (note.code, note.kind.severity) == ("converted-images", "note")
    assert note.examples[0][0] == f"images/{name}"


def test_a_transparent_image_among_rgb_is_of_their_kind(tmp_path):
    write_splits(tmp_path, odd={"train/clear.png": draw_photo(9).convert("RGBA")})
    data = read(tmp_path)
    assert (data.conversion, data.facts.channels) == ("", 3)


def test_a_fourth_band_is_not_dropped(tmp_path):
    bands_HW4 = np.dstack([np.asarray(draw_photo(9)), np.asarray(draw_photo(9))[..., :1]])
    write_splits(tmp_path, odd={"train/near.tif": bands_HW4})
    tifffile.imwrite(
        tmp_path / "images/train/near.tif",
        bands_HW4,
        photometric="rgb",
        extrasamples=["unspecified"],
    )
    for settings in ({}, {"input__channels": 3}):
        with pytest.raises(
            DataError, match=r"near\.tif: image has 4 channels of uint8, 6 others"
        ):
            read(tmp_path, **settings)


@pytest.mark.parametrize(
    ("counts", "common"),
    [
        ({(3, "uint8"): 5, (1, "uint8"): 9}, (3, "uint8")),
        ({(3, "uint8"): 5, (4, "uint8"): 6}, None),
        ({(3, "uint16"): 5, (4, "uint16"): 4}, None),
        ({(3, "uint8"): 5, (3, "uint16"): 1}, None),
        ({(5, "uint8"): 5, (3, "uint8"): 1}, None),
        ({(4, "uint8"): 5}, (4, "uint8")),
    ],
)
def test_check_and_training_convert_by_one_rule(counts, common):
    kinds = {ImageKind(*kind): count for kind, count in counts.items()}
    assert find_shared_kind(kinds) == common


def test_the_switch_converts_grey_in_training_and_validation_and_says_so(tmp_path):
    odd = {
        "train/grey.png": draw_photo(8).convert("L"),
        "train/clear.png": draw_photo(9).convert("RGBA"),
        "val/dim.png": draw_photo(8).convert("L"),
    }
    write_splits(tmp_path, odd=odd)
    data = read(tmp_path, input__channels=3)
    assert data.facts.channels == 3
    assert len(data.facts.mean) == 3
    assert data.conversion == ("images are converted to 3 channels: 2 of 1 channel")
    assert read(tmp_path, input__channels=1).facts.channels == 1


def test_one_16_bit_image_among_8_bit_ones_is_found_wherever_it_is(tmp_path):
    wide = np.full((40, 60, 3), 40_000, np.uint16)
    write_splits(tmp_path, odd={"train/wide.tif": wide})
    for settings in ({}, {"input__channels": 3}):
        with pytest.raises(DataError) as refusal:
            read(tmp_path, **settings)
        assert str(refusal.value).startswith(
            f"{tmp_path / 'images/train/wide.tif'}: image has 3 channels of uint16, 6 others "
        )
        assert str(refusal.value).endswith("convert the image")


def test_every_header_is_read_not_a_sample(tmp_path):
    many = {f"train/m{i:03}.png": draw_photo(0).resize((60, 40)) for i in range(150)}
    odd = {"train/m101.png": draw_photo(0).convert("L").convert("I;16")}
    write_splits(tmp_path, odd=many | odd)
    with pytest.raises(
        DataError, match=r"m101\.png: image has 1 channel of uint16, 155 others"
    ):
        read(tmp_path)


def test_validation_images_without_a_labelled_pixel_are_refused(tmp_path):
    write_splits(tmp_path, odd={})
    (tmp_path / "dataset.yaml").write_text(
        "classes: [{name: back}, {name: thing, raw: [1]}]\ncodec: {ignored: [255]}\n"
    )
    for path in (tmp_path / "masks/train").iterdir():
        Image.fromarray(draw_mask(0)).save(path)
    for path in (tmp_path / "masks/val").iterdir():
        Image.fromarray(np.full((40, 60), 255, np.uint8)).save(path)
    with pytest.raises(
        DataError, match=r"no pixel of the 2 images of split 'val' is labelled, so no epoch"
    ):
        read(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "PA", "LA", "RGB", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif", "ppm"])
def test_the_header_tells_the_kind_that_the_pixels_have(tmp_path, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    image = draw_photo(0).convert("L").convert("I;16") if mode == "I;16" else None
    if image is None:
        image = draw_photo(0).convert(mode)
    try:
        image.save(path)
    except (OSError, ValueError, KeyError):
        pytest.skip(f"{suffix} holds no {mode}")
    pixels = read_image(path)
    assert open_image(path).kind == (pixels.shape[2], str(pixels.dtype))


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_the_header_of_a_tiff_tells_its_kind(tmp_path, channels, dtype, planar):
    pixels = np.zeros((20, 30, channels) if planar == "contig" else (channels, 20, 30), dtype)
    path = tmp_path / "a.tif"
    if channels == 1:
        tifffile.imwrite(path, pixels.reshape(20, 30))
    else:
        photometric = "rgb" if channels in (3, 4) else "minisblack"
        tifffile.imwrite(path, pixels, photometric=photometric, planarconfig=planar)
    image = read_image(path)
    assert (
        open_image(path).kind
        == (image.shape[2], str(image.dtype))
        == (3 if channels == 4 else channels, str(image.dtype))  # without alpha
    )
