"""Levels of TIFF pyramids and whole-slide images are read in windows, never whole."""

import numpy as np
import pytest
import tifffile

from maskwright.core.errors import ConfigError, DataError
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import open_image, read_image
from maskwright.data.pixels.pyramid import choose_level

SIZE_HW = (900, 700)


def draw(channels=3):
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    planes = [(y // (3 + n) + x // 2).astype(np.uint8) for n in range(channels)]
    return np.stack(planes, axis=2)


def write_pyramid(path, *, subifds=2, per_cm=40_000, compression="zlib"):
    """A pyramid of tifffile: two smaller levels as SubIFDs."""
    image = draw()
    options = {
        "photometric": "rgb",
        "tile": (128, 128),
        "compression": compression,
        "resolution": (per_cm, per_cm),
        "resolutionunit": "CENTIMETER",
        "metadata": None,
    }
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(image, subifds=subifds, **options)
        for step in [2, 4][:subifds]:
            options["resolution"] = (per_cm // step, per_cm // step)
            tiff.write(np.ascontiguousarray(image[::step, ::step]), subfiletype=1, **options)
    return path


def test_a_level_of_a_tiff_pyramid_is_an_image_of_its_own_size(tmp_path):
    path = write_pyramid(tmp_path / "a.tif")
    assert open_image(path).level_sizes == ((900, 700), (450, 350), (225, 175))
    np.testing.assert_array_equal(read_image(path), draw())
    level = open_image(ImageRef(path, level=2))
    assert level.size_HW == (225, 175)
    assert level.reads_windows
    assert level.kind == open_image(path).kind
    assert level.spacing_mm_HW == pytest.approx((0.001, 0.001), rel=1e-3)
    np.testing.assert_array_equal(level.read(), draw()[::4, ::4])
    window = np.s_[100:140, 30:170]
    np.testing.assert_array_equal(level.read(window), draw()[::4, ::4][window])
    with pytest.raises(DataError, match="has no level 3, it has 3"):
        _ = open_image(ImageRef(path, level=3)).size_HW


def test_a_window_decodes_its_tiles_alone(tmp_path, monkeypatch):
    path = write_pyramid(tmp_path / "a.tif")
    calls = []
    from maskwright.data.pixels import tiff_window

    decode = tiff_window._decode_tile

    def count(*args):
        calls.append(args[-1])
        return decode(*args)

    monkeypatch.setattr(tiff_window, "_decode_tile", count)
    open_image(ImageRef(path, level=1)).read(np.s_[130:250, 10:100])
    assert len(calls) == 1


def test_a_level_is_chosen_by_number_or_by_the_size_of_its_pixels(tmp_path):
    image = open_image(ImageRef(write_pyramid(tmp_path / "a.tif"), level=1))
    found = [choose_level(image, text) for text in ("0", "2", "0.5um", "0.9um", "1um", "9um")]
    assert found == [0, 2, 1, 1, 2, 2]
    assert choose_level(open_image(image.ref.file), "0.5um") == 1
    with pytest.raises(
        DataError, match=r"finest level has pixels of 0\.25 um, 0\.1um is asked"
    ):
        choose_level(image, "0.1um")
    with pytest.raises(DataError, match=r"has no level 7; it has 0: 900 x 700, 1: 450 x 350"):
        choose_level(image, "7")
    with pytest.raises(ConfigError, match=r"level is '1mm'; use a number"):
        choose_level(image, "1mm")


def test_slides_are_read_by_openslide_in_windows(tmp_path):
    pytest.importorskip("openslide")
    path = write_pyramid(tmp_path / "a.tif", per_cm=20_000).rename(tmp_path / "a.svs")
    slide = open_image(path)
    assert slide.reads_windows
    assert slide.level_sizes[0] == SIZE_HW
    assert slide.kind.channels == 3
    window = np.s_[100:300, 250:420]
    pixels, valid = slide.read_data(window)
    np.testing.assert_array_equal(pixels, draw()[window])
    assert valid is None or valid.all()
    coarse = open_image(ImageRef(path, level=len(slide.level_sizes) - 1))
    height, width = coarse.size_HW
    assert coarse.read().shape == (height, width, 3)
    (tmp_path / "b.svs").write_bytes(b"II*\0 not a slide")
    with pytest.raises(DataError, match=r"b\.svs: the image is cut short or damaged"):
        _ = open_image(tmp_path / "b.svs").size_HW
