"""An image is found by path, then by name, and never outside the folder."""

import pytest

from maskwright.core.errors import DataError
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.reading.lookup import ImageLookup


@pytest.fixture
def images(tmp_path):
    for name in ("a/1.jpg", "b/1.jpg", "b/2.png", "3.bmp"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"")
    (tmp_path / "secret.png").write_bytes(b"")
    return ImageLookup(tmp_path / "data")


@pytest.mark.parametrize(
    ("named", "near", "expected"),
    [
        ("a/1.jpg", None, "a/1.jpg"),
        ("1.jpg", "b", "b/1.jpg"),
        ("..\\b\\2.png", "a", "b/2.png"),
        ("/pictures/of/someone/3.bmp", None, "3.bmp"),
        ("C:\\pictures\\b\\1.jpg", None, "b/1.jpg"),
        ("4.png", None, None),
        ("../secret.png", None, None),
    ],
)
def test_an_image_is_found_by_path_then_by_name(images, named, near, expected):
    near = None if near is None else images.root / near
    image = images.find(named, near=near, where="x.json")
    assert image == (None if expected is None else ImageRef(images.root / expected))


def test_two_images_that_could_be_meant_are_both_named(images):
    with pytest.raises(DataError, match=r"x\.json: names the image '1\.jpg', and 2 files"):
        images.find("1.jpg", where="x.json")
