"""Volumes in pages: slice by slice, shown by the window of the data, with a row per patient."""

import json
import re

import cv2
import nibabel as nib
import numpy as np
import pytest

from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec
from maskwright.core.report import Report
from maskwright.data.check.audit import audit
from maskwright.data.dataset import open_dataset
from maskwright.evaluation import album
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.inference.predict import predict
from maskwright.inference.predictor import Predictor
from maskwright.metrics.family import ScoreDetail
from maskwright.metrics.surface import Ruler

NUM_SLICES, SIZE_HW = 12, (40, 48)
NAMES = ("background", "liver", "tumour")
HU = np.array([-900, 60, 220], np.float32)


def draw_patient(rng):
    """Truth, (D, H, W): a ball in a ball."""
    z, y, x = np.ogrid[:NUM_SLICES, : SIZE_HW[0], : SIZE_HW[1]]
    shift = rng.integers(-3, 4, 2)
    far = ((z - 6) * 3) ** 2 + (y - 20 - shift[0]) ** 2 + (x - 24 - shift[1]) ** 2
    return (far < 16**2).astype(np.uint8) + (far < 7**2)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """Three CT volumes with masks, 2.5 x 0.8 x 0.8 mm."""
    root, rng = tmp_path_factory.mktemp("volumes") / "data", np.random.default_rng(1)
    for folder in ("images", "masks"):
        (root / folder).mkdir(parents=True)
    for name in ("p1", "p2", "p3"):
        truth_DHW = draw_patient(rng)
        values_DHW = HU[truth_DHW] + rng.normal(0, 8, truth_DHW.shape)
        affine = np.diag([-0.8, -0.8, 2.5, 1])
        for folder, array in (("images", values_DHW.astype(np.int16)), ("masks", truth_DHW)):
            stored = nib.Nifti1Image(array.transpose(2, 1, 0), affine)
            stored.header.set_xyzt_units("mm")
            nib.save(stored, root / folder / f"{name}.nii.gz")
    listed = "".join(f"  - {{name: {name}}}\n" for name in NAMES)
    (root / "dataset.yaml").write_text(f"classes:\n{listed}")
    return root


@pytest.fixture(scope="module")
def model(engine_from):
    """A model that misses each tumour's right half."""
    card = ModelCard(
        labels=LabelSpec.from_names(NAMES),
        input=InputSpec(
            channels=1,
            kind="ct",
            window=((-160.0, 240.0),),
            mean=(0.0,),
            std=(1.0,),
            max_value=65535,
        ),
        arch=ArchSpec(name="painted", encoder="none"),
        provenance={},
    )
    levels_K = np.array([-160, 60, 220], np.float32)

    def paint(image_BCHW):
        logits = -((image_BCHW - levels_K[None, :, None, None]) ** 2) / 1000
        logits[:, 2, :, image_BCHW.shape[3] // 2 :] = -1e4
        return logits

    return Predictor(engine_from(paint), card, "painted")


@pytest.fixture(scope="module")
def report(patients, model, tmp_path_factory):
    """The folder of a report, that of a gallery, and the report."""
    out = tmp_path_factory.mktemp("report") / "report"
    gallery = tmp_path_factory.mktemp("gallery")
    detail = ScoreDetail(full=True, ruler=Ruler(tolerance=2.0))
    made = evaluate(model, open_dataset(patients), detail=detail, gallery_in=gallery)
    write_report(made, out)
    return out, gallery, made


@pytest.fixture(scope="module")
def sheet(patients, tmp_path_factory):
    out = tmp_path_factory.mktemp("check") / "sheet"
    audit(patients, out=out)
    return out / "check.html"


def read_slices(page):
    text = re.search(r'id="volumes-data">(.*?)</script>', page.read_text(), re.DOTALL)[1]
    return json.loads(text)


def test_the_report_has_a_row_per_patient_that_leads_to_its_slices(report):
    out, _, made = report
    page = (out / "report.html").read_text()
    assert {p.patient for p in made.patients} == {"p1.nii.gz", "p2.nii.gz", "p3.nii.gz"}
    for index, patient in enumerate(made.patients):
        assert f'<a href="#volume-{index}"><code>{patient.volumes[0]}</code></a>' in page
        assert f'id="volume-{index}"' in page
        tumour = patient.classes["tumour"]
        assert tumour["patient_predicted_ml"] < tumour["patient_truth_ml"]
        assert tumour["patient_error_ml"] == pytest.approx(
            tumour["patient_predicted_ml"] - tumour["patient_truth_ml"]
        )
        assert tumour["hd95_mm"] > patient.classes["background"]["hd95_mm"]
    volumes = read_slices(out / "report.html")
    assert [v["n"] for v in volumes] == [NUM_SLICES] * 3
    assert [s["at"] for s in volumes[0]["slices"]] == list(range(NUM_SLICES))
    assert volumes[0]["slices"][6]["t"].startswith("Dice: background ")
    assert "36 slices of 3 volumes." in page
    assert "left out, evenly spread" not in page


def test_the_mean_of_the_rows_is_the_score_of_the_report(report):
    _, _, made = report
    for index, name in enumerate(NAMES):
        rows = [p.classes[name]["patient_dice"] for p in made.patients]
        assert made.classes[index]["patient_dice"].value == pytest.approx(np.mean(rows))


def test_patients_and_intensities_are_read_again(report):
    out, _, made = report
    again = Report.from_json(json.loads((out / "report.json").read_text()), where="a")
    assert again.patients == made.patients
    assert again.intensities == made.intensities


def test_pictures_are_drawn_by_the_window_and_the_legend_says_so(report):
    out, gallery, made = report
    for page in (out / "report.html", gallery / "gallery.html"):
        assert "Images are shown from black to white: -160 to 240 HU." in page.read_text()
    picture = made.volumes[0].slices[6]["image"]
    grey_HW = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_GRAYSCALE)
    inside = np.median(grey_HW[18:22, 12:16])
    assert grey_HW[0, 0] < 8  # air is below the window
    assert inside == pytest.approx((60 + 160) / 400 * 255, abs=8)


def test_histograms_show_the_window_and_each_class(report):
    out, _, made = report
    (channel,) = made.intensities.channels
    assert (made.intensities.kind, channel.unit, channel.window) == ("ct", "HU", (-160, 240))
    assert set(channel.by_class) == set(NAMES)
    peaks = {
        n: channel.low + np.argmax(s) * (channel.high - channel.low) / 64
        for n, s in channel.by_class.items()
    }
    assert peaks["background"] < -850
    assert 0 < peaks["liver"] < 100
    assert 180 < peaks["tumour"] < 240
    page = (out / "report.html").read_text()
    assert "Clipped to −160 to 240 HU" in page


def test_the_check_sheet_shows_kind_window_histogram_and_slices(sheet):
    page = sheet.read_text()
    assert "Kind <b>ct</b>: values from " in page
    assert "as Hounsfield units have; clipped to the percentiles 0.5 % and 99.5 %" in page
    assert re.search(r"Images are shown from black to white: -?\d+ to \d+(\.\d+)? HU\.", page)
    volumes = read_slices(sheet)
    assert [len(v["slices"]) for v in volumes] == [NUM_SLICES] * 3
    assert all((sheet.parent / s["p"][0]).is_file() for s in volumes[0]["slices"])


def test_slices_that_are_left_out_are_counted(patients, report, monkeypatch):
    monkeypatch.setattr(album, "MOST_SLICES", 16)
    dataset = open_dataset(patients)
    files = {key: dataset.image_file(i) for i, key in enumerate(dataset.keys)}
    groups = dict(zip(dataset.keys, dataset.groups, strict=True))
    planned = album.VolumeAlbum.plan(
        files, groups, palette=None, display=None, names=NAMES
    ).planned
    by_volume = {}
    for name, index in planned.values():
        by_volume.setdefault(name, []).append(index)
    assert list(by_volume.values()) == [[0, 1, 3, 4, 6, 7, 9, 10]] * 2  # of three volumes


def test_overlays_of_predict_are_drawn_by_the_window(patients, model, tmp_path):
    predict(model, [patients / "images"], tmp_path / "out", write=("classes", "overlay"))
    overlay_HW3 = cv2.imread(str(tmp_path / "out/overlay/p1.nii.gz/0006.png"))[..., ::-1]
    liver = np.array(LabelSpec.from_names(NAMES).palette[1], int)
    inside = overlay_HW3[20, 14].astype(int)
    grey = 2 * inside - liver  # half of the picture is the colour of the class
    assert grey == pytest.approx([140] * 3, abs=25)
    legend = cv2.imread(str(tmp_path / "out/legend.png"))
    predict(model, [patients / "images"], tmp_path / "plain", write=("classes",))
    assert len(legend) > len(cv2.imread(str(tmp_path / "plain/legend.png")))


SHOWN = "document.querySelector('#volume-1 .told').textContent"
SOURCE = "document.querySelector('#volume-1 img').src"
FITS = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.mark.slow
@pytest.mark.parametrize("width_px", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_a_slider_and_keys_go_through_the_slices(window, report, sheet, width_px, dark):
    out, gallery, _ = report
    for page in (out / "report.html", gallery / "gallery.html", sheet):
        window.open(page, width_px=width_px, dark=dark)
        window.wait_for("!document.querySelector('#volume-1 input[type=range]').disabled")
        assert window.value(SHOWN).startswith("Slice 7 of 12")
        before = window.value(SOURCE)
        window.value("document.querySelector('#volume-1 input[type=range]').focus()")
        window.press("ArrowRight", 39)
        window.wait_for(f"{SHOWN}.startsWith('Slice 8 of 12')")
        assert window.value(SOURCE) != before
        window.press("Home", 36)
        window.wait_for(f"{SHOWN}.startsWith('Slice 1 of 12')")
        assert window.value("document.querySelector('#volume-1 .steps button').disabled")
        window.value("document.querySelectorAll('#volume-1 .steps button')[1].click()")
        assert window.value(SHOWN).startswith("Slice 2 of 12")
        assert window.value(FITS)
