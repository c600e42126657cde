"""Reports made by hand: folders as `score` writes them, from counts that a test chooses."""

import json

import numpy as np
import pytest

from maskwright.core import IGNORE, Confusion, LabelSpec
from maskwright.core.patients import ImageScore
from maskwright.core.provenance import DataSource, Provenance, ScoreSettings, Uncertainty
from maskwright.core.report import CurveReport, Estimate, Report, Slice
from maskwright.evaluation.extremes import ShownImage
from maskwright.evaluation.imagetable import NAME, ImageTable
from maskwright.metrics import region


@pytest.fixture
def report_folder(tmp_path):
    """A function: write a report folder.

    `images` maps a key to (group, counts), and counts a class index to its truth, predicted
    and hit pixels; `more` has further counts by name, each (N, C).
    """

    def make(
        name,
        images,
        names=("road", "car"),
        *,
        settings=None,
        provenance=None,
        more=None,
        truth="0000",
    ):
        labels = LabelSpec.from_names(names)
        table = ImageTable(labels)
        total = np.zeros((3, len(names)), np.int64)
        for number, (key, (group, counts)) in enumerate(images.items()):
            counts_3C = np.zeros((3, len(names)), np.int64)
            for index, of_class in counts.items():
                counts_3C[:, index] = of_class
            total += counts_3C
            row = dict(zip(("truth", "predicted", "hit"), counts_3C, strict=True))
            row |= {n: np.asarray(array)[number] for n, array in (more or {}).items()}
            table.add(key, group, row, truth_hash=truth)
        folder = tmp_path / name
        folder.mkdir()
        (folder / NAME).write_bytes(b"".join(table))
        report = _report(labels, total, settings or {}, provenance or {})
        (folder / "report.json").write_text(json.dumps(report.to_json()))
        return folder

    return make


def _report(labels, total_3C, settings, provenance):
    found = region.scores(dict(zip(("truth", "predicted", "hit"), total_3C, strict=True)))
    return Report(
        labels=labels,
        confusion=Confusion(np.diag(total_3C[2])),
        provenance=Provenance.from_json(provenance),
        scores={name: Estimate(float(value)) for name, value in found.overall.items()},
        classes=tuple(
            {name: Estimate(float(value[i])) for name, value in found.classes.items()}
            for i in range(len(labels))
        ),
        settings=ScoreSettings.from_json(settings),
    )


SIZES = ("under 16 px", "16-63 px", "64-255 px", "256-1023 px", "1024-4095 px", "over 4095 px")
SHARES = {
    "set": "miou pixel_accuracy frequency_weighted_iou micro_iou mean_dice image_mean_miou "
    "image_mean_pixel_accuracy mean_boundary_f1 object_recall object_precision ece sce",
    "class": "iou dice precision recall accuracy image_mean_iou image_mean_dice boundary_f1 "
    "boundary_iou object_recall object_precision",
}


@pytest.fixture(scope="session")
def full_report():
    """A function: a Report with every section, of classes with the given names."""

    def make(names, *, photographs=True, num_images=4):
        labels = LabelSpec.from_names(tuple(names))
        rng = np.random.default_rng(0)
        pictures = _pictures(labels, rng, num_images, photographs)
        ranks = ["worst"] * (num_images // 2) + ["best"] * (num_images - num_images // 2)
        return Report(
            labels=labels,
            confusion=Confusion(_confusion(rng, len(names))),
            provenance=Provenance(
                data=DataSource(name="<i>made</i> by hand", splits={"test": 500})
            ),
            scores=_shares(rng, "set")
            | {"cohens_kappa": Estimate(0.75, 0.7, 0.8), "nll": Estimate(0.3)}
            | {"objects_truth": Estimate(12034, 11800, 12100)},
            classes=tuple(
                _shares(rng, "class") | {"hd95_mm": Estimate(3.25, 2, 4)} for _ in names
            ),
            curves=_curves(rng),
            class_curves={"object_recall_by_size": tuple(_curve(rng, SIZES) for _ in names)},
            slices=_slices(rng, names),
            settings=ScoreSettings(
                families=("region",), of_families={"boundary_tolerance": "3px"}
            ),
            truth_groups=tuple(range(8, 8 + len(names))),
            uncertainty=Uncertainty(
                method="jackknife over groups",
                level=0.95,
                groups=120,
                enough_groups=True,
            ),
            images=tuple(
                ImageScore(key=key, rank=rank, miou=0.5)
                for key, rank in zip(pictures, ranks, strict=True)
            ),
            pictures=pictures,
        )

    return make


def _estimate(value):
    return Estimate(float(value), max(0.0, float(value) - 0.03), min(1.0, float(value) + 0.03))


def _shares(rng, kind):
    return {name: _estimate(rng.random()) for name in SHARES[kind].split()}


def _confusion(rng, num_classes):
    counts_CC = rng.integers(0, 400, (num_classes, num_classes))
    counts_CC[np.diag_indices(num_classes)] += rng.integers(500, 90_000, num_classes)
    return counts_CC


def _curve(rng, at, axis="object area"):
    points = tuple(_estimate(value) for value in np.sort(rng.random(len(at))))
    return CurveReport(axis=axis, at=tuple(at), points=points)


def _curves(rng):
    confidence = [(i + 0.5) / 15 for i in range(15)]
    numbers = tuple(Estimate(float(n), n * 0.9, n * 1.1) for n in range(100, 700, 100))
    return {
        "trimap_miou": _curve(rng, (1, 2, 4, 8, 16, 32), "band half-width (px)"),
        "object_recall_by_size": _curve(rng, SIZES),
        "objects_truth_by_size": CurveReport(axis="object area", at=SIZES, points=numbers),
        "reliability": CurveReport(
            axis="confidence",
            at=tuple(confidence),
            points=tuple(_estimate(0.9 * c) for c in confidence),
        ),
        "mean_confidence": CurveReport(
            axis="confidence", at=tuple(confidence), points=tuple(map(_estimate, confidence))
        ),
        "confidence_share": CurveReport(
            axis="confidence",
            at=tuple(confidence),
            points=tuple(Estimate(c**3 / 3.9) for c in confidence),
        ),
    }


def _slices(rng, names):
    return tuple(
        Slice(
            by="weather",
            value=value,
            num_images=12,
            miou=Estimate(miou, miou - 0.1, miou + 0.1),
            classes={n: rng.random() for n in names},
            difference=miou - 0.7,
        )
        for value, miou in (("heavy rain & fog", 0.31), ("sun", 0.62))
    )


def _pictures(labels, rng, num_images, photographs):
    blocks = rng.integers(0, len(labels), (4, 8))
    truth_HW = np.kron(blocks, np.ones((60, 60))).astype(np.uint8)
    truth_HW[:9] = IGNORE
    predicted_HW = np.roll(truth_HW, 7, axis=1)
    image_HWC = rng.integers(0, 255, (240, 480, 3)).astype(np.uint8) if photographs else None
    panels = ShownImage.from_maps(truth_HW, predicted_HW, image_HWC).panels(labels.palette)
    return {f"test/a rather long folder/frame_{i:06d}": panels for i in range(num_images)}
