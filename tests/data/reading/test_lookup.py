"""An image is found by path, then by name, and never outside the folder."""

import pytest

from maskwright.core.errors import DataError
from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.reading.lookup import ImageLookup, NameTable


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


NFC, NFD = "caf\u00e9.jpg", "cafe\u0301.jpg"


@pytest.mark.parametrize(
    ("on_disk", "named"),
    [("a3.JPG", "a3.jpg"), ("A3.jpg", "a3.JPG"), (NFD, NFC), (NFC, NFD), (NFD, NFC.upper())],
)
@pytest.mark.parametrize("folder", ["", "images/", "../elsewhere/images/"])
def test_case_and_unicode_form_of_a_name_are_forgiven(tmp_path, on_disk, named, folder):
    (tmp_path / "images").mkdir()
    file = tmp_path / "images" / on_disk
    file.write_bytes(b"")
    images = ImageLookup(tmp_path)
    assert images.find(folder + named, where="x") == ImageRef(file)
    stem = named.rpartition(".")[0]
    assert images.find_without_suffix(tmp_path / "Images", stem) == ImageRef(file)


def test_the_exact_name_comes_before_one_of_another_case(tmp_path):
    for name in ("a/x.jpg", "b/X.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    images = ImageLookup(tmp_path)
    assert images.find("X.jpg", where="x") == ImageRef(tmp_path / "b/X.jpg")
    assert images.find("A/x.jpg", where="x") == ImageRef(tmp_path / "a/x.jpg")
    with pytest.raises(DataError, match="2 files have that name"):
        images.find("x.JPG", where="x")


def test_a_table_of_names_forgives_only_where_one_name_fits():
    table = NameTable({"a": 1, "A": 2, "b": 3, "Stra\u00dfe": 4})
    assert [table.find(name) for name in ("a", "A", "B", "STRASSE", "c")] == [1, 2, 3, 4, None]
    assert NameTable({"ab": 1, "aB": 2}).find("AB") is None
    assert table.find_name("B") == "b"
