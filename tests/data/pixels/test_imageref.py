from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskwright.data.pixels.imageref import ImageRef
from maskwright.data.pixels.images import paged_suffixes, to_ref

NAMES = st.text("abc123._", min_size=1).filter(lambda name: name not in {".", ".."})


def test_the_text_form_of_a_page_is_four_digits_below_its_file():
    page = ImageRef(Path("scan/ct.nii.gz"), 12)
    assert str(page) == "scan/ct.nii.gz/0012"
    assert page.path == PurePath("scan/ct.nii.gz/0012")
    assert to_ref("scan/ct.nii.gz/0012") == page


@pytest.mark.parametrize("text", ["a.png", "a.tif", "folder/0012", "a.tif/one", "a.tif/\u0661"])
def test_other_paths_are_files(text):
    assert to_ref(text) == ImageRef(Path(text), None)
    assert str(to_ref(text)) == text


@given(
    name=NAMES,
    suffix=st.sampled_from(paged_suffixes()),
    page=st.none() | st.integers(0, 99_999),
)
def test_the_text_form_is_read_as_it_is_written(name, suffix, page):
    ref = ImageRef(Path("folder") / f"{name}{suffix}", page)
    assert to_ref(str(ref)) == ref


def test_references_sort_by_file_and_then_by_page():
    stack, photo = Path("b.tif"), Path("c.png")
    refs = [ImageRef(stack, page) for page in (2, 10)]
    assert sorted([ImageRef(photo), *reversed(refs), ImageRef(Path("a.png"))]) == [
        ImageRef(Path("a.png")),
        *refs,
        ImageRef(photo),
    ]


def test_a_path_is_taken_as_the_text_form():
    ref = ImageRef(Path("a.dcm"), 3)
    assert to_ref(ref) is ref
    assert to_ref(Path("a.dcm/0003")) == ref
