"""Reports made by hand: folders as `score` writes them, from counts that a test chooses."""

import json

import numpy as np
import pytest

from maskwright.core import Confusion, LabelSpec
from maskwright.core.report import Estimate, Report
from maskwright.evaluation.imagetable import NAME, ImageTable
from maskwright.metrics import region


@pytest.fixture
def report_folder(tmp_path):
    """A function: write a report folder.

    `images` maps a key to (group, counts), and counts a class index to its truth, predicted
    and hit pixels; `more` has further counts by name, each (N, C).
    """

    def make(name, images, names=("road", "car"), *, settings=None, provenance=None, more=None):
        labels = LabelSpec.of_names(names)
        table = ImageTable(labels)
        total = np.zeros((3, len(names)), np.int64)
        for number, (key, (group, counts)) in enumerate(images.items()):
            counts_3C = np.zeros((3, len(names)), np.int64)
            for index, of_class in counts.items():
                counts_3C[:, index] = of_class
            total += counts_3C
            row = dict(zip(("truth", "predicted", "hit"), counts_3C, strict=True))
            row |= {n: np.asarray(array)[number] for n, array in (more or {}).items()}
            table.add(key, group, row)
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
        provenance=provenance,
        scores={name: Estimate(float(value)) for name, value in found.overall.items()},
        classes=tuple(
            {name: Estimate(float(value[i])) for name, value in found.classes.items()}
            for i in range(len(labels))
        ),
        settings=settings,
    )
