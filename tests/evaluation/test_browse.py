"""The gallery of predictions: thumbnails, numbers, sampling, the page in a browser."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from maskwright.core.confusion import Confusion
from maskwright.core.decision import Decision
from maskwright.core.labels import IGNORE, LabelSpec
from maskwright.core.logits import Logits
from maskwright.core.sample import Sample
from maskwright.evaluation import browse
from maskwright.evaluation.browse import Gallery

LABELS = LabelSpec.from_names(("<b>road</b>", "car", "sky"))


def add(gallery, key, *, wrong_px=0, size_HW=(40, 60), confidence=0.75):
    truth_HW = np.zeros(size_HW, np.uint8)
    truth_HW[:20] = 1
    truth_HW[0] = IGNORE
    predicted_HW = np.where(truth_HW == IGNORE, 0, truth_HW).astype(np.uint8)
    predicted_HW[30, :wrong_px] = 1
    confidence_HW = np.full(size_HW, confidence, np.float32)
    decision = Decision(
        labels_HW=predicted_HW,
        confidence_HW=confidence_HW,
        best_HW=confidence_HW,
        temperature=1.0,
        logits=Logits.of_image(np.zeros((3, *size_HW), np.float32), size_HW),
    )
    sample = Sample(
        key=key, group=key, image_HWC=np.full((*size_HW, 3), 90, np.uint8), labels_HW=truth_HW
    )
    confusion = Confusion.from_labels(truth_HW, predicted_HW, 3)
    gallery.add(sample, truth_HW, decision, confusion)


def read_images(folder):
    page = (folder / "gallery.html").read_text()
    return json.loads(re.search(r'id="browse-data">(.*?)</script>', page)[1])


def test_an_image_has_five_thumbnails_and_its_numbers(tmp_path):
    gallery = Gallery(folder=tmp_path, labels=LABELS, total=1)
    add(gallery, "a/<i>", wrong_px=60, size_HW=(400, 640))
    gallery.write("streets")
    document = read_images(tmp_path)
    (image,) = document["images"]
    assert document["panels"] == ["image", "truth", "prediction", "error", "confidence"]
    for path in image["p"]:
        with Image.open(tmp_path / path) as picture:
            assert picture.size == (320, 200)
    error, wrong, unsure = image["n"]
    # 19 and 380 rows of 640 px, 60 px of the second are predicted as the first
    assert wrong == pytest.approx(100 * 60 / (399 * 640), abs=1e-3)
    assert unsure == pytest.approx(25)
    ious = 380 * 640 - 60, 380 * 640, 19 * 640, 19 * 640 + 60
    assert image["c"]["0"] == pytest.approx(100 * ious[0] / ious[1], abs=1e-3)
    assert error == pytest.approx(100 - 50 * (ious[0] / ious[1] + ious[2] / ious[3]), abs=1e-3)
    assert "<b>road" not in (tmp_path / "gallery.html").read_text()


def test_of_many_images_some_are_shown_and_the_page_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(browse, "MAX_IMAGES", 4)
    gallery = Gallery(folder=tmp_path, labels=LABELS, total=10)
    for n in range(10):
        add(gallery, f"frame{n}")
    gallery.write("streets")
    assert [image["k"] for image in read_images(tmp_path)["images"]] == [
        "frame0",
        "frame3",
        "frame5",
        "frame8",
    ]
    assert "4 of 10 images, evenly spread" in (tmp_path / "gallery.html").read_text()
    assert len(list((tmp_path / "gallery").iterdir())) == 20
