"""Runs with several seeds, where each training is a function that notes what it is asked."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from maskwright.core.confusion import Confusion
from maskwright.core.errors import ConfigError
from maskwright.core.labels import LabelSpec
from maskwright.core.report import Estimate, Provenance, Report
from maskwright.training import seeds
from maskwright.training.options import TrainOptions
from maskwright.training.seeds import Spread, train_seeds

MIOUS = (0.5, 0.7, 0.6, 0.9)


def make_report(miou):
    return Report(
        labels=LabelSpec.from_names(["road", "<car>"]),
        confusion=Confusion(np.eye(2, dtype=np.int64)),
        provenance=Provenance(),
        scores={"miou": Estimate(miou)},
        classes=({"iou": Estimate(miou)}, {"iou": Estimate(math.nan)}),
    )


@pytest.fixture
def asked():
    return []


@pytest.fixture
def train_one(asked):
    def train(data, run, options, callbacks):
        asked.append((run.name, options.recipe and str(options.recipe), dict(options.settings)))
        (run / "bundle").mkdir(parents=True, exist_ok=True)
        (run / "recipe.yaml").write_text("")
        return SimpleNamespace(report=make_report(MIOUS[len(asked) - 1]))

    return train


def test_the_first_run_plans_and_the_others_take_its_recipe(tmp_path, asked, train_one):
    options = TrainOptions(settings={"optim.lr": 1e-3, "seed": 4})
    found = train_seeds("data", tmp_path / "a", 3, options, train_one=train_one)
    recipe = str(tmp_path / "a" / "seed-4" / "recipe.yaml")
    assert asked == [
        ("seed-4", None, {"optim.lr": 1e-3, "seed": 4}),
        ("seed-5", recipe, {"seed": 5}),
        ("seed-6", recipe, {"seed": 6}),
    ]
    assert found.best == 5
    assert str(found.miou) == "60.0 % ± 10.0"


def test_the_document_and_the_page_tell_mean_spread_and_best(tmp_path, train_one):
    train_seeds("data", tmp_path / "a", 3, train_one=train_one)
    document = json.loads((tmp_path / "a" / "seeds.json").read_text())
    assert document["best"] == "seed-1"
    assert document["miou"] == {"mean": pytest.approx(0.6), "std": pytest.approx(0.1)}
    assert document["iou"]["<car>"] == {"mean": None, "std": None}
    page = (tmp_path / "a" / "index.html").read_text(encoding="utf-8")
    assert 'href="seed-1/report/report.html"' in page
    assert "60.0 % ± 10.0; best: seed-1" in page
    assert "&lt;car&gt;" in page


def test_a_resumed_set_keeps_what_has_ended_and_goes_on_with_what_has_begun(
    tmp_path, asked, train_one, monkeypatch
):
    root = tmp_path / "a"
    (root / "seed-0" / "bundle").mkdir(parents=True)
    (root / "seed-1" / "last").mkdir(parents=True)
    ended = SimpleNamespace(report=make_report(0.5))
    monkeypatch.setattr(seeds, "open_run", lambda run: ended)
    options = TrainOptions(resume=True)
    resumed = []

    def train(data, run, options, callbacks):
        resumed.append(options.resume)
        return train_one(data, run, options, callbacks)

    found = train_seeds("data", root, 3, options, train_one=train)
    recipe = str(root / "seed-0" / "recipe.yaml")
    assert asked == [("seed-1", None, {}), ("seed-2", recipe, {"seed": 2})]
    assert resumed == [True, False]
    assert list(found.reports) == [0, 1, 2]


@pytest.mark.parametrize(
    ("num", "options", "message"),
    [
        (1, {}, "--seeds 1: give 2 or more"),
        (
            3,
            {"budget_s": 60.0},
            r"--budget fits each run .* give --recipe recipe.yaml --seeds 3",
        ),
        (3, {"resume": True}, "no run to resume; start without --resume"),
    ],
)
def test_what_cannot_be_repeated_is_refused(tmp_path, num, options, message):
    with pytest.raises(ConfigError, match=message):
        train_seeds("data", tmp_path, num, TrainOptions(**options))
    assert not list(tmp_path.iterdir())


def test_a_spread_is_the_sample_deviation_of_what_is_known():
    assert Spread.of([1.0, 2.0, math.nan, 3.0]) == Spread(2.0, 1.0)
    assert math.isnan(Spread.of([1.0]).std)
