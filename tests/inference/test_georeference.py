"""predict on GeoTIFF images: class maps lie where their image lies."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.core import LabelSpec
from maskwright.core.errors import DataError
from maskwright.data.classmaps import open_class_maps
from maskwright.data.georef.geotags import copy_tags
from maskwright.data.mapfiles import find_maps
from maskwright.inference.outputs import Destination, PredictedImage, make_writers
from maskwright.inference.predict import predict
from maskwright.inference.prediction import Prediction
from maskwright.inference.predictor import open_model
from maskwright.measurement.ground.scales import find_scales

PHOTO = np.repeat(np.arange(4, dtype=np.uint8).repeat(3).reshape(4, 3)[..., None], 3, 2)
KEYS = (1, 1, 0, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32616, 1026, 34737, 9, 0)
TAGS = [
    (33550, "d", 3, (0.5, 0.25, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 733601.0, 3725139.0, 0.0), True),
    (34735, "H", len(KEYS), KEYS, True),
    (34736, "d", 1, (6378137.0,), True),
    (34737, "s", 0, "UTM zone|", True),
]
REAL = Path(__file__).parents[3] / "shared/data/formats/geotiff"


def tags_of(path):
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        return {
            t.code: (int(t.dtype), t.count, t.value) for t in tags if 33000 < t.code < 35000
        }


@pytest.fixture
def model(painted_bundle, tmp_path):
    return open_model(painted_bundle(tmp_path / "model/bundle").root)


def write_photo(path, **choices):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, PHOTO, photometric="rgb", extratags=TAGS, metadata=None, **choices)
    return path


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_class_maps_keep_the_tags_of_their_image(model, tmp_path, byteorder):
    path = write_photo(tmp_path / "photos/a.tif", byteorder=byteorder)
    Image.fromarray(PHOTO).save(tmp_path / "photos/b.png")
    out = tmp_path / "out"
    predict(model, [tmp_path / "photos"], out)
    assert sorted(p.name for p in (out / "classes").iterdir()) == [
        "a.tif",
        "b.png",
        "dataset.yaml",
    ]
    assert len(tags_of(path)) == len(TAGS)
    assert tags_of(out / "classes/a.tif") == tags_of(path)
    maps = open_class_maps(out / "classes")
    np.testing.assert_array_equal(maps.read("a"), PHOTO[..., 0])
    np.testing.assert_array_equal(maps.read("a"), maps.read("b"))
    with Image.open(out / "classes/a.tif") as image:
        shown = image.convert("RGB").getpixel((0, 2))
    assert shown == tuple(model.card.labels.palette[2].tolist())


def test_such_maps_are_measured_in_metres_without_their_images(model, tmp_path):
    path = write_photo(tmp_path / "photos/a.tif")
    predict(model, [path], tmp_path / "out")
    scales = find_scales(find_maps(tmp_path / "out/classes"), {}, None)
    assert (scales.unit, scales.epsg, scales.of_map("a").pixel_HW) == ("m", 32616, (0.25, 0.5))


def test_a_turned_image_gives_no_tags_that_would_place_it_wrongly(tmp_path):
    path = tmp_path / "a.tif"
    turned = [*TAGS, (274, "H", 1, 6, True)]
    tifffile.imwrite(path, PHOTO, photometric="rgb", extratags=turned, metadata=None)
    assert copy_tags(path) == ()


def write_class_map(folder, key, tags):
    labels = LabelSpec.from_names(("a", "b"))
    flat, sure = np.zeros((4, 3), np.uint8), np.ones((4, 3), np.float32)
    prediction = Prediction(
        labels_HW=flat, confidence_HW=sure, model_id="m", labels=labels, image_HWC=PHOTO
    )
    item = PredictedImage(key=key, image_HWC=PHOTO, prediction=prediction, tags=tags)
    (writer,) = make_writers(("classes",), Destination(folder=folder, labels=labels))
    writer.write(item)


def test_a_damaged_georeference_is_an_error_of_the_data(tmp_path):
    with pytest.raises(DataError, match="photo: the georeference is damaged"):
        write_class_map(tmp_path, "photo", [(33550, 12, 3, ("x", "y", "z"), True)])


@pytest.mark.real
@pytest.mark.parametrize("name", ["sample_geotiff.tif", "sample_geotiff_custom_proj.tif"])
def test_the_tags_of_real_files_come_back(tmp_path, name):
    if not REAL.is_dir():
        pytest.skip("the real files are not here")
    write_class_map(tmp_path, "a", copy_tags(REAL / name))
    assert tags_of(tmp_path / "classes/a.tif") == tags_of(REAL / name)
