"""Replay: false cries are counted, and shifts are put on rows as they were measured."""

import json

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

from maskwright.cli.main import app
from maskwright.core.errors import DataError
from maskwright.core.observation import Observation, format_observations
from maskwright.inference.observe import observe
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.predictor import open_model
from maskwright.monitoring.groups import Observed
from maskwright.monitoring.reference import join_values
from maskwright.monitoring.replay import bound_poisson, replay
from maskwright.monitoring.shifts import (
    Differences,
    ScaledClass,
    find_rare_class,
    measure_shifts,
    to_differences,
)
from maskwright.monitoring.target import Target

from .test_monitor import make_rows


@pytest.fixture(scope="module")
def log():
    return Observed.gather(make_rows(1200, 1, cameras=("a",)), where="log")


def test_poisson_bounds_are_those_of_the_chi_squared_distribution():
    assert bound_poisson(0) == (0, pytest.approx(stats.chi2.ppf(0.975, 2) / 2))
    for num in (1, 7, 40):
        expected = stats.chi2.ppf(0.025, 2 * num) / 2, stats.chi2.ppf(0.975, 2 * num + 2) / 2
        assert bound_poisson(num) == pytest.approx(expected)


def test_a_shift_of_the_light_is_found_the_sooner_the_more_images_have_it(log):
    darker = (-0.2 + 0.01 * np.arange(5))[:, None]
    found = replay(
        log,
        images_per_day=80,
        target=Target(1, 90),
        shifts={("dark", 3): Differences({"image": darker}), ("same", 1): Differences({})},
        shares=(0.25, 1.0),
        num=6,
    )
    cases = {(one.kind, one.share): one for one in found.found}
    assert cases["dark", 1.0].warning.within_10 == 1
    assert cases["dark", 1.0].warning.median < cases["dark", 0.25].warning.median
    assert cases["dark", 1.0].warning.median <= cases["dark", 1.0].alarm.median <= 12
    assert cases["same", 1.0].alarm.within_20 <= 1 / 6
    assert found.alarm.days == pytest.approx(6 * 600 / 80)
    assert found.alarm.per_month == pytest.approx(found.alarm.num / (found.alarm.days / 30))
    assert found.alarm.target == pytest.approx(1 / 3)
    assert not found.alarm.is_above
    assert found.num_reference >= 30
    assert json.loads(json.dumps(found.to_json()))["found"][0]["kind"] == "dark"


def test_the_same_log_gives_the_same_answer(log):
    first, second = (replay(log, images_per_day=80, num=2).to_json() for _ in range(2))
    assert first == second


def test_a_log_that_is_too_short_says_how_long_one_must_be():
    short = Observed.gather(make_rows(100, 1, cameras=("a",)), where="log")
    with pytest.raises(DataError, match=r"the log has 100 images.*a log of \d+ images or more"):
        replay(short, images_per_day=10, num=1)


def test_a_doubled_class_takes_from_the_others_by_their_shares():
    rows = make_rows(50, 1, cameras=("a",), road=0.05)
    log = Observed.gather(rows, where="log")
    assert find_rare_class(log) == "road"
    shifted = ScaledClass("road", 2)(log, np.random.default_rng(0))
    shares = log.values["classes"]
    doubled = np.minimum(2 * shares[:, 0], 1)
    assert shifted[:, 1:3] == pytest.approx(np.stack([doubled, 1 - doubled], axis=1))
    assert np.delete(shifted, [1, 2], axis=1) == pytest.approx(
        np.delete(join_values(log), [1, 2], axis=1)
    )


def observe_light(image_HWC):
    mean = float(image_HWC.mean() / 255)
    return Observation(
        key="k",
        model="m",
        source="",
        families={
            "image": {"mean": mean},
            "classes": {"road": 0.1 + mean / 2, "sky": 0.9 - mean / 2},
            "confidence": {"mean": 0.9},
            "shapes": {"border": 0.1},
        },
    )


def test_shifts_are_measured_on_images_and_put_on_rows_of_the_chosen_families(log):
    images = [np.full((32, 32, 3), value, np.uint8) for value in (60, 90, 120)]
    observed = measure_shifts(images, observe_light, kinds=("brightness",), severities=(1, 3))
    assert list(observed) == [("", 0), ("brightness", 1), ("brightness", 3)]
    found = dict(to_differences(log, observed, ["image"]))
    assert list(found["brightness", 1].differences) == ["image"]
    mild, strong = (found["brightness", s].differences["image"] for s in (1, 3))
    assert mild.shape == (3, 1)
    assert (strong > mild).all()
    assert mild == pytest.approx(0.1, abs=0.02)  # brightness 1 adds 0.1 to the value
    shifted = found["brightness", 1](log, np.random.default_rng(0))
    assert shifted[:, 1:] == pytest.approx(join_values(log)[:, 1:])
    assert shifted[:, :1] == pytest.approx(log.values["image"] + 0.1, abs=0.02)
    other = Observed.gather([observe_light(images[0])] * 2, where="x")
    renamed = Observed(other.sources, other.names | {"image": ("x",)}, other.values, ("m",))
    with pytest.raises(DataError, match="other numbers of image than the log"):
        dict(to_differences(renamed, observed, ["image"]))
    with pytest.raises(DataError, match="no image to corrupt"):
        measure_shifts([], observe_light)


def replay_by_command(log_file, *more):
    return CliRunner().invoke(app, ["watch", "--replay", str(log_file), *more])


def test_the_command_prints_false_alarms_and_delays(tmp_path, painted_bundle):
    bundle = painted_bundle(tmp_path / "bundle")
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(3):
        image_HWC = rng.integers(0, 4, (32, 32, 3)).astype(np.uint8)
        Image.fromarray(image_HWC).save(tmp_path / "photos" / f"{number}.png")
    model = open_model(bundle.root)
    rows = []
    for number in range(600):
        image_HWC = rng.integers(0, 4, (24, 24, 3)).astype(np.uint8)
        predicted = PredictedImage(
            key=str(number), image_HWC=image_HWC, prediction=model.predict(image_HWC)
        )
        rows.append(observe(predicted, model.card.input))
    log_file = tmp_path / "observations.ndjson"
    log_file.write_text(format_observations(rows))
    more = ("--per-day", "100", "--replays", "2")
    shown = replay_by_command(log_file, *more)
    assert shown.exit_code == 0, shown.output
    assert "2 replays of 600 images, half of them the reference" in shown.output
    assert "the target is 0.33" in shown.output
    assert "fog" in shown.output
    assert "twice the" in shown.output
    photos = ("--model", str(bundle.root), "--images", str(tmp_path / "photos"))
    found = json.loads(replay_by_command(log_file, *more, *photos, "--json").stdout)
    fog = [one for one in found["found"] if one["kind"] == "fog" and one["share"] == 1]
    assert [one["severity"] for one in fog] == [1, 3, 5]
    assert fog[-1]["warning"]["within_10"] == 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ((), "--replay of a file needs --per-day"),
        (("--per-day", "9", "--images", "."), "--model and --images go together"),
        (("--per-day", "9", "--target", "often"), "--target 'often': write false alarms"),
        (("--per-day", "9"), "no such file"),
    ],
)
def test_what_a_replay_needs_is_named(more, message, tmp_path):
    assert message in str(replay_by_command(tmp_path / "none", *more).exception)
