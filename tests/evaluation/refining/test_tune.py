"""tune-refine: what helps is found, what fits noise is not, and the test split is not read."""

import json
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from maskwright.core.bundle import open_bundle
from maskwright.core.errors import ConfigError, DataError, OutputError
from maskwright.core.results import WriteMode
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.evaluate import evaluate
from maskwright.evaluation.refining import tune
from maskwright.evaluation.refining.candidates import Stage, list_stages, parse_families
from maskwright.evaluation.refining.tune import TuneOptions, tune_refine
from maskwright.inference.predictor import open_model

NAMES = ("road", "car", "bus")


@pytest.fixture
def bundle(painted_bundle, tmp_path):
    """A Bundle that reads class k from a first channel of k."""
    return painted_bundle(tmp_path / "model/bundle", names=NAMES).root


def draw_scenes(folder, num, *, wrong, split="val", seed=0):
    """Scenes of a car each, whose prediction is the truth after `wrong(truth, rng)`."""
    rng = np.random.default_rng(seed)
    for number in range(num):
        truth_HW = np.zeros((32, 40), np.uint8)
        top, left = rng.integers(2, 14), rng.integers(2, 22)
        truth_HW[top : top + 14, left : left + 14] = 1 + number % 2
        painted_HW = wrong(truth_HW.copy(), rng)
        for kind, pixels in (
            ("images", np.repeat(painted_HW[..., None], 3, 2)),
            ("masks", truth_HW),
        ):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / split / f"{split}{number:02}.png")
    entries = "".join(f"  - {{name: {name}}}\n" for name in NAMES)
    (folder / "dataset.yaml").write_text(f"classes:\n{entries}")
    return folder


def add_specks(painted_HW, rng):
    """Eight single pixels of bus, and a hole of four in each car."""
    inside = np.argwhere(painted_HW == 1)
    for y, x in rng.integers(0, (32, 40), (8, 2)):
        painted_HW[y, x] = 2
    if len(inside):
        y, x = inside[len(inside) // 2]
        painted_HW[y : y + 2, x : x + 2] = 0
    return painted_HW


@pytest.fixture
def few_stages(monkeypatch):
    """Only refiners of class maps, which are fast."""

    def make(labels, families, **_):
        return [s for s in list_stages(labels, families, photographs=False) if s.per_class][:2]

    monkeypatch.setattr(tune, "list_stages", make)


def test_what_helps_is_found_written_into_the_bundle_and_applied(bundle, tmp_path, few_stages):
    data = draw_scenes(tmp_path / "data", 16, wrong=add_specks)
    draw_scenes(data, 6, wrong=add_specks, split="test", seed=1)
    dataset = open_dataset(data)
    tuning = tune_refine(bundle, dataset, tmp_path / "refined")
    assert tuning.chain.steps[0].refiner == "components"
    assert tuning.chain.steps[0].classes == ("bus",)
    gain = tuning.comparison.difference["miou"]
    assert 0 < gain.low < gain.high
    assert gain.value > 0.02
    assert tuning.comparison.after["mean_boundary_f1"].value > 0.98
    written = open_bundle(tmp_path / "refined")
    assert written.card.refine == tuning.chain
    assert written.model_id != open_bundle(bundle).model_id
    document = json.loads(written.file("refine.json").read_text())
    assert document["scores"]["miou"]["difference"]["interval"][0] > 0
    assert (document["groups_chosen_on"], document["groups_shown_on"]) == (8, 8)
    test = dataset.subset("test")
    before, after = (evaluate(open_model(b), test) for b in (bundle, written.root))
    assert after.scores["miou"].value > before.scores["miou"].value + 0.01
    assert after.settings.refine == written.card.refine.to_json()
    assert after.scores["miou"].value == pytest.approx(
        evaluate(open_model(bundle, refine=_as_file(tuning, tmp_path / "c.yaml")), test)
        .scores["miou"]
        .value
    )


def _as_file(tuning, path):
    path.write_text(yaml.safe_dump(tuning.chain.to_json()))
    return str(path)


def test_a_chain_is_written_as_yaml_too(bundle, tmp_path, few_stages):
    data = draw_scenes(tmp_path / "data", 12, wrong=add_specks)
    out = tmp_path / "chain.yaml"
    tuning = tune_refine(bundle, open_dataset(data), out)
    assert yaml.safe_load(out.read_text())["version"] == 1
    model = open_model(bundle, refine=str(out))
    assert model.refine.chain == tuning.chain
    with pytest.raises(OutputError, match="exists already; replace it with --overwrite"):
        tune_refine(bundle, open_dataset(data), out)
    tune_refine(bundle, open_dataset(data), out, mode=WriteMode(overwrite=True))


def test_a_perfect_model_is_answered_with_none_helps(bundle, tmp_path, few_stages):
    data = draw_scenes(tmp_path / "data", 12, wrong=lambda truth_HW, _: truth_HW)
    tuning = tune_refine(bundle, open_dataset(data), tmp_path / "refined")
    assert tuning.chain is None
    assert not (tmp_path / "refined").exists()
    assert tuning.to_lines()[-1] == (
        "none helps: no refiner was shown to raise the mIoU on 6 groups of 'val'"
    )
    assert tuning.to_json()["scores"] is None


def test_a_gain_by_chance_on_the_half_of_the_choice_is_left_out(bundle, tmp_path, few_stages):
    """Specks that are as often right as wrong: removing them gains on some halves by chance."""

    def mix(painted_HW, rng):
        for y, x in rng.integers(0, (32, 40), (8, 2)):
            painted_HW[y, x] = 2
        return painted_HW

    kept = 0
    for seed in range(3):
        data = draw_scenes(tmp_path / f"data{seed}", 10, wrong=mix, seed=seed)
        rng = np.random.default_rng(seed)
        for mask in sorted((data / "masks/val").iterdir()):  # half of the specks are in truth
            painted_HW = np.asarray(Image.open(data / "images/val" / mask.name))[..., 0]
            truth_HW = np.array(Image.open(mask))
            right_HW = (painted_HW != truth_HW) & (rng.random(truth_HW.shape) < 0.5)
            truth_HW[right_HW] = painted_HW[right_HW]
            Image.fromarray(truth_HW).save(mask)
        tuning = tune_refine(bundle, open_dataset(data), tmp_path / f"c{seed}.yaml")
        kept += tuning.chain is not None
        for attempt in tuning.attempts:
            low = attempt.comparison.difference["miou"].low if attempt.comparison else -1
            assert attempt.is_kept == (low > 0)
    assert kept <= 1


def test_the_test_split_is_not_read(bundle, tmp_path, few_stages):
    data = draw_scenes(tmp_path / "data", 12, wrong=add_specks)
    draw_scenes(data, 2, wrong=add_specks, split="test")
    dataset = open_dataset(data)
    expected = tune_refine(bundle, dataset, tmp_path / "a.yaml")
    for file in data.glob("*/test/*.png"):
        file.write_bytes(b"not an image")
    found = tune_refine(bundle, open_dataset(data), tmp_path / "b.yaml")
    assert found.to_json() == expected.to_json()
    with pytest.raises(ConfigError, match="not chosen on the split 'test'"):
        TuneOptions(split="test")


def test_too_few_groups_and_a_model_with_thresholds_are_refused(bundle, tmp_path):
    data = draw_scenes(tmp_path / "data", 9, wrong=add_specks)
    with pytest.raises(DataError, match="9 groups of images, expected at least 10"):
        tune_refine(bundle, open_dataset(data), tmp_path / "a.yaml")
    shutil.rmtree(data)
    draw_scenes(data, 12, wrong=add_specks)
    options = TuneOptions(group="val")
    with pytest.raises(DataError, match="1 groups of images, expected at least 10"):
        tune_refine(bundle, open_dataset(data), tmp_path / "a.yaml", options=options)


def test_families_are_voted_on_and_the_things_are_one(painted_card):
    labels = painted_card(names=NAMES).labels
    assert parse_families(["vehicle=car+bus"]) == {"vehicle": ("car", "bus")}
    for text in ("car+bus", "vehicle=car", "=car+bus"):
        with pytest.raises(ConfigError, match="expected a name and its classes, such as"):
            parse_families([text])
    stages = list_stages(labels, {"vehicle": ("car", "bus")}, photographs=True)
    (vote,) = (stage for stage in stages if stage.name == "one class per vehicle")
    assert vote.steps[0].classes == ("car", "bus")
    assert [step.refiner for step in stages[0].steps] == ["guided"] * 5 + ["crf"] * 2
    assert isinstance(stages[0], Stage)
