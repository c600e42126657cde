"""--write probabilities: the share of each class at each pixel, whole or by rows."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core.errors import ConfigError
from maskwright.core.labels import LabelSpec
from maskwright.data.georef.geotags import make_tags
from maskwright.inference.predict import predict
from maskwright.inference.predictor import open_model
from maskwright.inference.probabilities import (
    BYTES,
    HALVES,
    ZARR,
    ZARR_HALVES,
    write_shares,
)
from maskwright.inference.resolution import planes
from maskwright.inference.tiling import Tiling

SIZE_HW = (201, 170)
CUT = Tiling(tile=(128, 128), overlap=64)


@pytest.fixture
def model(painted_bundle, tmp_path):
    opened = open_model(painted_bundle(tmp_path / "bundle").root)
    return replace(opened, card=replace(opened.card, temperature=4.0))


def draw(seed=0):
    noise = np.random.default_rng(seed).integers(0, 4, (*SIZE_HW, 3)).astype(np.uint8)
    return cv2.medianBlur(noise, 5)


def read(path):
    with np.load(path) as file:
        assert file["classes"].tolist() == ["sky", "road", "tree", "car"]
        return file["probabilities"]


def softmax(model, image):
    scaled = np.stack(list(planes(model.logits(image)))).astype(np.float64) / 4
    shares = np.exp(scaled - scaled.max(axis=0))
    return np.moveaxis(shares / shares.sum(axis=0), 0, -1)


@pytest.mark.parametrize("tiling", [Tiling(tile="off"), CUT], ids=["whole", "by rows"])
def test_probabilities_are_the_calibrated_softmax_of_the_logits(model, tmp_path, tiling):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    tiled = replace(model, tiling=tiling)
    expected = softmax(model, draw())
    predict(tiled, [tmp_path / "a.png"], tmp_path / "halves", write=("classes", HALVES))
    found = read(tmp_path / "halves/probabilities/a.npz")
    assert (found.shape, found.dtype) == ((*SIZE_HW, 4), np.float16)
    np.testing.assert_allclose(found.astype(float), expected, atol=6e-4)
    predict(tiled, [tmp_path / "a.png"], tmp_path / "bytes", write=(BYTES,))
    stored = read(tmp_path / "bytes/probabilities/a.npz")
    assert stored.dtype == np.uint8
    np.testing.assert_allclose(stored / 255, expected, atol=0.5 / 255 + 1e-6)
    with Image.open(tmp_path / "halves/classes/a.png") as classes:
        assert (found.argmax(axis=-1) == np.asarray(classes)).all()


def test_a_pixel_without_data_has_no_probability(model, tmp_path):
    image = np.dstack([draw(), np.full(SIZE_HW, 255, np.uint8)])
    image[:50, ..., 3] = 0
    Image.fromarray(image).save(tmp_path / "a.png")
    for name, tiling in (("whole", Tiling(tile="off")), ("cut", CUT)):
        tiled = replace(model, tiling=tiling)
        predict(tiled, [tmp_path / "a.png"], tmp_path / name, write=(HALVES,))
    whole, cut = (read(tmp_path / f"{n}/probabilities/a.npz") for n in ("whole", "cut"))
    np.testing.assert_array_equal(whole, cut)
    assert (whole[:50] == 0).all()
    np.testing.assert_allclose(whole[50:].astype(float).sum(axis=-1), 1, atol=2e-3)


def test_where_a_refiner_chose_the_class_its_probability_is_one(model, tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[8, 8] = 2
    Image.fromarray(image).save(tmp_path / "a.png")
    refined = open_model(tmp_path / "bundle", refine="components:area=9 px")
    predict(refined, [tmp_path / "a.png"], tmp_path / "out", write=(BYTES,))
    assert read(tmp_path / "out/probabilities/a.npz")[8, 8].tolist() == [255, 0, 0, 0]


@pytest.mark.parametrize("kind", [BYTES, HALVES])
def test_an_image_with_a_georeference_gives_a_cloud_optimised_geotiff(model, tmp_path, kind):
    rasterio = pytest.importorskip("rasterio")
    tags = make_tags((0.5, 0, 5e5, 0, -0.5, 4.6e6), 32633, is_geographic=False)
    tifffile.imwrite(tmp_path / "a.tif", np.tile(draw(), (4, 4, 1)), extratags=tags)
    for name, tiling in (("whole", Tiling(tile="off")), ("cut", CUT), ("again", CUT)):
        tiled = replace(model, tiling=tiling)
        predict(tiled, [tmp_path / "a.tif"], tmp_path / name, write=(kind,))
    assert [p.name for p in (tmp_path / "cut/probabilities").iterdir()] == ["a.tif"]
    contents = [(tmp_path / f"{n}/probabilities/a.tif").read_bytes() for n in ("cut", "again")]
    assert contents[0] == contents[1]
    with (
        rasterio.open(tmp_path / "whole/probabilities/a.tif") as whole,
        rasterio.open(tmp_path / "cut/probabilities/a.tif") as cut,
    ):
        np.testing.assert_array_equal(cut.read(), whole.read())
        assert cut.descriptions == ("sky", "road", "tree", "car")
        assert cut.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert cut.crs.to_epsg() == 32633
        assert cut.transform[:6] == (0.5, 0, 5e5, 0, -0.5, 4.6e6)
        assert cut.overviews(1) == [2, 4]
        shares = cut.read() * np.array(cut.scales)[:, None, None]
        np.testing.assert_allclose(shares.sum(axis=0), 1, atol=0.01)


def test_files_are_the_same_each_time(model, tmp_path):
    Image.fromarray(draw()).save(tmp_path / "a.png")
    for name in ("one", "two"):
        predict(model, [tmp_path / "a.png"], tmp_path / name, write=(BYTES,))
    one, two = (tmp_path / name / "probabilities/a.npz" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_probabilities_of_two_types_are_refused(model, tmp_path):
    with pytest.raises(ConfigError, match="would have the same names; choose one"):
        predict(model, [tmp_path], tmp_path / "out", write=(BYTES, HALVES))


@pytest.mark.parametrize(("kind", "packed"), [(ZARR, BYTES), (ZARR_HALVES, HALVES)])
@pytest.mark.parametrize("tiling", [Tiling(tile="off"), CUT], ids=["whole", "by rows"])
def test_zarr_has_the_values_of_npz(model, tmp_path, kind, packed, tiling):
    zarr = pytest.importorskip("zarr")
    Image.fromarray(draw()).save(tmp_path / "a.png")
    tiled = replace(model, tiling=tiling)
    for name, write in (("zarr", kind), ("npz", packed)):
        predict(tiled, [tmp_path / "a.png"], tmp_path / name, write=(write,))
    assert [p.name for p in (tmp_path / "zarr/probabilities").iterdir()] == ["a.zarr"]
    array = zarr.open_array(tmp_path / "zarr/probabilities/a.zarr", mode="r")
    expected = read(tmp_path / "npz/probabilities/a.npz")
    assert (array.dtype, array.chunks) == (expected.dtype, (64, 170, 4))
    np.testing.assert_array_equal(array[:], expected)
    assert array.attrs["classes"] == ["sky", "road", "tree", "car"]
    assert array.attrs.get("scale") == (1 / 255 if packed == BYTES else None)
    assert array.metadata.dimension_names == ("y", "x", "class")


def test_a_raster_may_be_zarr_too_and_is_written_by_whole_chunks(tmp_path):
    zarr = pytest.importorskip("zarr")
    labels = LabelSpec.from_names(("a", "b"))
    tags = make_tags((1, 0, 0, 0, -1, 0), 32633, is_geographic=False)
    rows = np.random.default_rng(0).random((150, 7, 2)).astype(np.float32)
    path = tmp_path / "probabilities/a"
    (path.parent / "a.zarr.tmp").mkdir(parents=True)  # an interrupted run left it
    with write_shares(path, (150, 7), labels, kind=ZARR_HALVES, tags=tags) as file:
        for top in range(0, 150, 11):
            file.add_rows(rows[top : top + 11])
            there = zarr.open_array(path.with_name("a.zarr.tmp"), mode="r")
            assert there.nchunks_initialized == min(top + 11, 150) // 64
    np.testing.assert_array_equal(
        zarr.open_array(path.with_name("a.zarr"))[:], rows.astype("f2")
    )
    assert [p.name for p in path.parent.iterdir()] == ["a.zarr"]
