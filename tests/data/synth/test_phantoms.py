"""Phantoms have the values that they say, and a dataset of them is found to be what it is."""

import numpy as np
import pytest

from maskwright.data.dataset import open_dataset
from maskwright.data.facts import measure_facts
from maskwright.data.intensities import find_kind
from maskwright.data.synth.phantoms import (
    FIELDS,
    FIELDS_HU,
    LANDS,
    ORGAN_CLASSES,
    ORGANS,
    draw_fields,
    draw_land,
    draw_organs,
    write_phantoms,
)


def test_organs_have_their_hounsfield_units_and_nothing_else_tells_them_apart():
    slices = draw_organs(np.random.default_rng(0), (128, 128), 8)
    values = np.concatenate([s.values_HWC[..., 0].ravel() for s in slices])
    labels = np.concatenate([s.labels_HW.ravel() for s in slices])
    for name, expected in (("organ_80", 80), ("organ_120", 120)):
        inside = values[labels == ORGAN_CLASSES.index(name)]
        assert inside.mean() == pytest.approx(expected, abs=1)
        assert inside.std() == pytest.approx(12, abs=1)
    assert 700 < values[labels == ORGAN_CLASSES.index("spine")].mean() < 1200
    assert values[labels == 0].min() < -1000


def test_a_field_is_one_class_of_one_value():
    for drawn in draw_fields(np.random.default_rng(0), (64, 64), 5):
        (index,) = np.unique(drawn.labels_HW)
        assert drawn.values_HWC.mean() == pytest.approx(FIELDS_HU[index], abs=1)


@pytest.mark.parametrize(
    ("phantoms", "kind"), [(ORGANS, "ct"), (FIELDS, "ct"), (LANDS, "reflectance")]
)
def test_the_plan_finds_the_kind_of_what_is_on_disk(tmp_path, phantoms, kind):
    root = write_phantoms(
        tmp_path / "data", phantoms, num_groups=(3, 1), num_slices=4, size_HW=(64, 64)
    )
    dataset = open_dataset(root)
    assert dataset.splits == {"train": 12, "val": 4}
    facts = measure_facts(dataset.subset("train"))
    assert find_kind(facts.values, facts.max_value)[0] == kind
    assert set(facts.values.of_class) == set(np.flatnonzero(facts.class_share_C).tolist())


def test_fields_of_land_begin_at_any_pixel():
    scenes = draw_land(np.random.default_rng(0), (64, 48), 20)
    assert {scene.labels_HW.shape for scene in scenes} == {(64, 48)}
    borders = {
        int(x) % 16
        for scene in scenes
        for x in np.flatnonzero((np.diff(scene.labels_HW.astype(int), axis=1) != 0).any(axis=0))
    }
    assert len(borders) > 8
