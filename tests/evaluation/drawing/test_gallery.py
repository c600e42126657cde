"""The gallery: every panel opens without a script, and classes carry their number."""

import re

import numpy as np

from maskwright.core import IGNORE, LabelSpec
from maskwright.evaluation.drawing.gallery import Shot, render_gallery
from maskwright.pages.pictures import encode_indexed_png, encode_jpeg

LABELS = LabelSpec.from_names(("sky", "<road>", "car"))


def shot(labels_HW, key="a/<b>"):
    labels_HW = np.asarray(labels_HW, np.uint8)
    photograph = encode_jpeg(np.zeros((*labels_HW.shape, 3), np.uint8))
    panels = {"image": photograph, "truth": encode_indexed_png(labels_HW, LABELS.palette)}
    return Shot(key=key, note="mIoU 50 %", panels=panels)


def halves():
    labels_HW = np.zeros((100, 200), np.uint8)
    labels_HW[:, 100:] = 2
    labels_HW[:, 190:] = IGNORE
    return labels_HW


def test_the_panels_of_an_image_are_a_popover_that_they_open_themselves():
    page = render_gallery("worst", [shot(halves()), shot(halves())], LABELS, {})
    own = re.findall(r'id="([^"]+)" popover ', page)
    assert own == ["worst-0", "worst-1"]
    assert re.findall(r'class="pane" popovertarget="([^"]+)"', page) == own
    assert page.count('popovertargetaction="hide"') == len(own)
    assert page.count("checked autofocus") == len(own)
    assert re.findall(r'class="pick(\d)"', page) == ["0", "1", "2"] * 2
    assert "<script" not in page


def test_pictures_have_alternative_text_and_keys_are_escaped():
    page = render_gallery("worst", [shot(halves())], LABELS, {})
    assert 'alt="truth of a/&lt;b&gt;"' in page
    assert "<b>mIoU" in page
    assert "a/<b>" not in page


def test_a_picture_is_in_the_page_once():
    assert render_gallery("worst", [shot(halves())], LABELS, {}).count("data:image/") == 2


def test_numbers_stand_in_the_middle_of_regions_that_have_room():
    page = render_gallery("worst", [shot(halves())], LABELS, {})
    tags = re.findall(r'left:([\d.]+)%;top:([\d.]+)%">(\d+)<', page)
    assert [number for *_, number in tags] == ["0", "2"]
    for left, _, number in tags:
        assert (float(left) < 50) == (number == "0")


def test_each_region_of_a_class_has_its_number_but_thin_ones_have_none():
    labels_HW = np.ones((100, 200), np.uint8)
    labels_HW[10:40, 10:40] = labels_HW[60:90, 150:180] = 2
    labels_HW[:, 100:103] = 0
    tags = re.findall(r'">(\d+)</span>', render_gallery("worst", [shot(labels_HW)], LABELS, {}))
    assert sorted(tags) == ["1", "1", "2", "2"]


def test_the_legend_lists_the_classes_that_occur_with_their_numbers():
    text = render_gallery("worst", [shot(halves())], LABELS, {"wrong": (213, 94, 0)})
    assert re.findall(r"</span>([^<]+)</li>", text) == ["0 sky", "2 car", "wrong"]
    assert "1 &lt;road&gt;" in render_gallery("worst", [shot(np.ones((4, 4)))], LABELS, {})


def test_a_picture_of_one_pixel_is_shown():
    page = render_gallery("worst", [shot([[1]])], LABELS, {})
    assert "--ratio:1.0000" in page
