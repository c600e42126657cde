"""Fields that absolute Hounsfield units alone tell apart stay apart up to the network.

The classifier is the nearest mean of the crops of each class; benchmarks/medgeo.py trains
networks on the same fields.
"""

import numpy as np

from maskwright.core.labels import IGNORE
from maskwright.core.progress import silent
from maskwright.data.synth.phantoms import FIELDS, write_phantoms
from maskwright.inference.resolution import to_network
from maskwright.training.data import TrainingData
from maskwright.training.machine import Machine
from maskwright.training.planning.rules import make_plan
from maskwright.training.planning.situation import Situation
from maskwright.training.samples.loader import Crops

from .situations import FREE


def test_crops_of_the_plan_tell_fields_apart_that_prediction_sees(tmp_path):
    root = write_phantoms(
        tmp_path / "data", FIELDS, num_groups=(6, 4), num_slices=4, size_HW=(64, 64)
    )
    settings = FREE | {"data.rare_share": 0.0}
    data = TrainingData.read(root, settings, silent)
    recipe = make_plan(Situation.from_data(data, Machine.detect()), settings).recipe
    assert recipe.input.kind == "ct"
    crops = Crops(data.train.__getitem__, data.facts.counts_NC, recipe, num_samples=72)
    items = [crops[n] for n in range(len(crops))]
    classes = np.array([int(item["labels"].min()) for item in items])
    inside = [item["image"][..., 0][item["labels"] != IGNORE] for item in items]
    values = np.array([float(x.mean()) for x in inside])
    means_K = np.array([values[classes == k].mean() for k in range(3)])
    spec = recipe.input.spec
    for index in range(len(data.val)):
        x = to_network(spec.prepare(data.val.image(index), where="a"), spec)
        assert np.abs(means_K - x.mean()).argmin() == data.val.labels(index)[0, 0]
    within = max(values[classes == k].std() for k in range(3))
    assert np.diff(np.sort(means_K)).min() > 5 * within
