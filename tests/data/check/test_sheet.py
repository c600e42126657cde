"""The contact sheet of check: pictures, numbers, findings, sampling, results."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from maskwright.core.errors import OutputError
from maskwright.core.results import WriteMode, read_manifest
from maskwright.data.check import sheet
from maskwright.data.check.audit import audit
from maskwright.data.check.sheet import bin_sizes


@pytest.fixture
def data(tmp_path):
    """Six images of 60 x 90 px, one of them with a mask of another size, and one damaged."""
    root = tmp_path / "<b>fields"
    for folder in ("images/train", "images/val", "masks/train", "masks/val"):
        (root / folder).mkdir(parents=True)
    (root / "dataset.yaml").write_text("classes: [{name: <i>soil}, {name: crop}]\n")
    rng = np.random.default_rng(0)
    for n in range(6):
        split = "val" if n > 3 else "train"
        pixels = rng.integers(0, 255, (60, 90, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"images/{split}/{n}.png")
        mask_HW = np.zeros((60, 90), np.uint8)
        mask_HW[:15] = 1
        Image.fromarray(mask_HW[: 40 if n == 2 else 60]).save(root / f"masks/{split}/{n}.png")
    (root / "images/val/5.png").write_bytes(b"\x89PNG damaged")
    return root


def read_page(folder):
    page = (folder / "check.html").read_text()
    return page, json.loads(re.search(r'id="browse-data">(.*?)</script>', page)[1])


def test_every_image_is_there_with_its_numbers_and_findings(data, tmp_path):
    made = audit(data, out=tmp_path / "page")
    page, document = read_page(tmp_path / "page")
    by_key = {image["k"]: image for image in document["images"]}
    assert list(by_key) == ["0", "1", "2", "3", "4", "5"]
    assert by_key["0"]["n"] == [0.0054, 0, 2]
    assert by_key["0"]["c"] == {"0": 75, "1": 25}
    (finding,) = (f for f in document["filters"] if f["name"] == "finding")
    codes = {
        key: [finding["values"][i] for i in image["t"][1]] for key, image in by_key.items()
    }
    assert codes["0"] == []
    assert codes["2"] == ["size-mismatch"]
    assert codes["5"] == ["unreadable-image"]
    assert by_key["5"]["p"] == [""]
    with Image.open(tmp_path / "page" / by_key["0"]["p"][0]) as picture:
        assert picture.size == (90, 60)
    assert json.loads((tmp_path / "page/check.json").read_text()) == made.to_json()
    assert "<i>soil" not in page
    assert "<b>fields" not in page
    assert "masks of another size than their image: 1" in page


def test_of_many_images_a_sample_and_those_with_findings_are_shown(data, tmp_path, monkeypatch):
    monkeypatch.setattr(sheet, "MAX_IMAGES", 2)
    audit(data, out=tmp_path / "page")
    page, document = read_page(tmp_path / "page")
    assert [image["k"] for image in document["images"]] == ["0", "2", "3", "5"]
    assert "4 of 6 images: at most 2, evenly spread, and up to 2 with findings." in page


def test_the_folder_follows_the_rule_of_results(data, tmp_path):
    audit(data, out=tmp_path / "page")
    assert read_manifest(tmp_path / "page").verb == "check"
    with pytest.raises(OutputError, match="add --overwrite"):
        audit(data, out=tmp_path / "page")
    audit(data, out=tmp_path / "page", mode=WriteMode(overwrite=True))


def test_one_size_and_three_have_a_bar_each():
    assert bin_sizes(Counter({(60, 90): 5})) == [("60 x 90", 5)]
    three = [(60, 90)] * 5 + [(90, 60)] * 2 + [(1080, 1920)]
    assert bin_sizes(Counter(three)) == [("60 x 90", 5), ("90 x 60", 2), ("1080 x 1920", 1)]


def test_a_thousand_sizes_are_eight_bins_that_hold_every_image_once():
    rng = np.random.default_rng(0)
    sizes = [(int(h), int(w)) for h, w in rng.integers(200, 4000, (1000, 2))]
    rows = bin_sizes(Counter(sizes))
    assert len(rows) == 8
    assert sum(count for _, count in rows) == 1000
    ends = [[float(end) for end in name.split(" to ")] for name, _ in rows]
    areas = [h * w / 1e6 for h, w in sizes]
    assert ends[0][0] == pytest.approx(min(areas), rel=0.01)
    assert ends[-1][1] == pytest.approx(max(areas), rel=0.01)
    assert all(low < high for low, high in ends)
    middle = rows[4]
    inside = sum(ends[4][0] <= area < ends[4][1] for area in areas)
    assert middle[1] == pytest.approx(inside, abs=5)  # the ends are rounded


def test_many_sizes_of_one_area_are_one_bin():
    sizes = [(2**n, 2 ** (20 - n)) for n in range(21)]
    assert bin_sizes(Counter(sizes)) == [("1.05", 21)]
