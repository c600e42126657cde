"""A large image is predicted and written by rows, with the files of the whole image."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import OutputError
from maskwright.core.jsonfile import read_json
from maskwright.core.results import MANIFEST
from maskwright.inference import bands, imagework
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.tiling import Tiling
from maskwright.pages.pngfile import PngRows

SIZE_HW = (401, 330)
CUT = Tiling(tile=(128, 160), overlap=64)


@pytest.fixture
def model(painted_bundle, tmp_path):
    """A network of one convolution of 1 x 1, for which tiles make no difference."""
    return replace(open_model(painted_bundle(tmp_path / "bundle").root), tiling=CUT)


def draw(seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (*SIZE_HW, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 5)


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def read_all(folder):
    files = sorted(p for p in folder.rglob("*.png") if p.name != "legend.png")
    return {str(p.relative_to(folder)): read(p) for p in files}


@pytest.fixture
def spied(monkeypatch):
    """The names of the images that are predicted by rows."""
    names = []

    def run(model, plan, file, key, *rest, **options):
        names.append(key)
        return bands.predict_bands(model, plan, file, key, *rest, **options)

    monkeypatch.setattr(imagework, "predict_bands", run)
    return names


def test_files_by_rows_hold_the_pixels_of_files_of_the_whole_image(model, tmp_path, spied):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", draw(1), tile=(64, 64))
    images = [tmp_path / "a.png", tmp_path / "b.tif"]
    whole = predict(replace(model, tiling=Tiling(tile="off")), images, tmp_path / "whole")
    assert not spied
    cut = predict(model, images, tmp_path / "cut")
    assert spied == ["a", "b"]
    expected, found = (read_all(tmp_path / name) for name in ("whole", "cut"))
    assert list(found) == list(expected)
    for name, pixels in expected.items():
        np.testing.assert_array_equal(found[name], pixels, err_msg=name)
    assert cut.pixels_C.tolist() == whole.pixels_C.tolist()
    for name in ("coverage.csv", "classes/dataset.yaml"):
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert read_json(tmp_path / "cut" / MANIFEST)["tiling"]["tile"] == "128x160"
    with (
        Image.open(tmp_path / "cut/classes/a.png") as one,
        Image.open(tmp_path / "whole/classes/a.png") as other,
    ):
        assert one.getpalette() == other.getpalette()


def test_a_map_with_a_georeference_is_a_tiled_tiff_on_the_grid_of_the_image(
    model, tmp_path, spied
):
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32633)
    place = [
        (33550, "d", 3, (0.5, 0.5, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500_000.0, 4_600_000.0, 0.0), True),
        (34735, "H", len(keys), keys, True),
    ]
    tifffile.imwrite(tmp_path / "a.tif", draw(), tile=(64, 64), extratags=place)
    predict(replace(model, tiling=Tiling(tile="off")), [tmp_path / "a.tif"], tmp_path / "whole")
    predict(model, [tmp_path / "a.tif"], tmp_path / "cut")
    assert spied == ["a"]
    for kind, nodata in (("classes", "255"), ("confidence", "0")):
        with (
            tifffile.TiffFile(tmp_path / f"whole/{kind}/a.tif") as whole,
            tifffile.TiffFile(tmp_path / f"cut/{kind}/a.tif") as cut,
        ):
            np.testing.assert_array_equal(cut.asarray(), whole.asarray())
            page = cut.pages[0]
            assert (page.tilewidth, page.compression.name) == (256, "ADOBE_DEFLATE")
            assert page.tags[42113].value == nodata
            for tag in (33550, 33922, 34735, 320):
                np.testing.assert_array_equal(
                    page.tags[tag].value, whole.pages[0].tags[tag].value
                )
    files = [p.name for p in (tmp_path / "cut/classes").iterdir()]
    assert sorted(files) == ["a.tif", "dataset.yaml"]


def test_pixels_without_data_are_ignore_in_bands_too(model, tmp_path, spied):
    image = draw()
    image[:200] = 0
    tifffile.imwrite(
        tmp_path / "b.tif", image, tile=(64, 64), extratags=[(42113, "s", 0, "0", True)]
    )
    predict(model, [tmp_path / "b.tif"], tmp_path / "out", write=("classes", "confidence"))
    assert spied == ["b"]
    labels = read(tmp_path / "out/classes/b.png")
    assert (labels[:200] == 255).all()
    assert (labels[200:] < 4).all()
    assert (read(tmp_path / "out/confidence/b.png")[:200] == 0).all()
    tifffile.imwrite(tmp_path / "c.tif", 0 * image, extratags=[(42113, "s", 0, "0", True)])
    summary = predict(model, [tmp_path / "c.tif"], tmp_path / "empty")
    assert summary.pixels_C.sum() == 0
    assert (read(tmp_path / "empty/classes/c.png") == 255).all()


@pytest.mark.parametrize("size_HW", [(1, 1), (20_000, 64), (64, 20_000)])
def test_tiny_and_long_images_are_predicted(model, tmp_path, size_HW):
    Image.fromarray(np.zeros((*size_HW, 3), np.uint8)).save(tmp_path / "a.png")
    predict(model, [tmp_path / "a.png"], tmp_path / "out")
    for kind in ("classes", "overlay", "confidence"):
        assert read(tmp_path / f"out/{kind}/a.png").shape[:2] == size_HW


def test_a_disk_that_fills_leaves_no_file_that_looks_whole(model, tmp_path, monkeypatch):
    Image.fromarray(draw()).save(tmp_path / "a.png")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskwright.pages.pngfile.PngRows.end", fail)
    with pytest.raises(OutputError, match="the disk is full"):
        predict(model, [tmp_path / "a.png"], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("**/classes/a.png*"))


def test_a_png_file_of_rows_is_what_pillow_reads_also_where_it_was_continued(tmp_path):
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (9, 5, 3)).astype(np.uint8)
    for name, is_continued in (("once.png", False), ("twice.png", True)):
        rows = PngRows(tmp_path / name, (9, 5))
        rows.add_rows(rgb[:4])
        if is_continued:
            mark = rows.sync()
            rows.add_rows(rgb[:2])
            rows.close()
            rows = PngRows(tmp_path / name, (9, 5), mark=mark)
        rows.add_rows(rgb[4:])
        rows.end()
        rows.close()
        with Image.open(tmp_path / name) as image:
            assert (image.mode, image.size) == ("RGB", (5, 9))
            np.testing.assert_array_equal(np.asarray(image), rgb)
    assert (tmp_path / "once.png").read_bytes() == (tmp_path / "twice.png").read_bytes()
