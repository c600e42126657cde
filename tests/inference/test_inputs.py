"""Which images a command line means, and what their outputs are called."""

import pytest

from maskwright.core.errors import DataError
from maskwright.core.results import open_results
from maskwright.inference.inputs import find_images


@pytest.fixture
def tree(tmp_path):
    for name in (
        "a/x.jpg",
        "a/deep/y.PNG",
        "b/x.png",
        "notes.txt",
        "a/.hidden/z.png",
        "a/.w.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def keys(*inputs):
    return list(find_images(inputs).images)


def test_a_file_is_called_by_its_stem_and_one_in_a_folder_by_its_path_there(tree):
    assert keys(tree / "a/deep/y.PNG") == ["y"]
    assert keys(tree) == ["a/deep/y", "a/x", "b/x"]
    assert keys(tree / "a") == ["deep/y", "x"]


def test_a_dot_in_a_name_stays(tmp_path):
    (tmp_path / "tile.0.1.png").touch()
    assert keys(tmp_path) == keys(tmp_path / "tile.0.1.png") == ["tile.0.1"]


def test_a_named_file_need_not_look_like_an_image(tree):
    assert keys(tree / "notes.txt") == ["notes"]


@pytest.mark.parametrize("pair", [("a/x.jpg", "b/x.png"), ("a", "b"), ("a", "b/x.png")])
def test_two_images_of_one_name_are_refused_naming_both(tree, pair):
    with pytest.raises(DataError, match="its outputs would be named 'x'") as caught:
        keys(*(tree / name for name in pair))
    assert str(tree / "a/x.jpg") in str(caught.value)
    assert str(tree / "b/x.png") in str(caught.value)


def test_earlier_results_inside_the_folder_are_passed_over_and_counted(tree):
    for out in (tree / "out", tree / "a/deep/out"):
        with open_results(out, "predict") as results:
            (results.folder / "overlay").mkdir()
            (results.folder / "overlay/x.png").touch()
            assert keys(tree) == ["a/deep/y", "a/x", "b/x"]
    found = find_images([tree])
    assert list(found.images) == ["a/deep/y", "a/x", "b/x"]
    assert found.passed_over == [tree / "a/deep/out", tree / "out"]
    with pytest.raises(DataError, match="holds results of predict"):
        keys(tree / "out")
    assert keys(tree / "out/overlay") == ["x"]


def test_nothing_to_read_is_refused(tree):
    with pytest.raises(DataError, match=r"no\.jpg: no such file or folder"):
        keys(tree / "no.jpg")
    (tree / "texts").mkdir()
    (tree / "texts/a.txt").touch()
    with pytest.raises(DataError, match=r"no image in this folder, 1 other files; .*\.webp"):
        keys(tree / "texts")


def test_a_pattern_chooses_among_the_images_of_a_folder_by_name_or_by_path(tree):
    assert list(find_images([tree], glob="x.*").images) == ["a/x", "b/x"]
    assert list(find_images([tree], glob="a/*").images) == ["a/deep/y", "a/x"]
    assert list(find_images([tree / "b/x.png"], glob="y*").images) == ["x"]
    with pytest.raises(
        DataError, match=r"--glob 'z\*' fits none of 3 images in this folder, su"
    ):
        find_images([tree], glob="z*")
