"""A search whose trainings are a function: what is tried, stopped, written and resumed."""

import json
import math
from types import SimpleNamespace

import pytest

from maskwright.core.errors import ConfigError, TrainingError
from maskwright.training.job import Status
from maskwright.training.options import TrainOptions
from maskwright.training.sweep.search import SweepOptions, sweep
from maskwright.training.sweep.space import Choice, Range, parse_spaces

OVER = ("optim.lr=1e-4:1e-1:log", "model.arch=fpn,unet")


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("optim.lr=1e-4:1e-2:log", Range(1e-4, 1e-2, is_log=True)),
        ("data.batch_size=4:16", Range(4, 16)),
        ("model.arch=fpn,unet", Choice(("fpn", "unet"))),
        ("augment.blur=0,0.5", Choice((0, 0.5))),
    ],
)
def test_a_space_is_a_range_or_some_values(text, space):
    key = text.partition("=")[0]
    assert parse_spaces([text]) == {key: space}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "no --over: give the keys"),
        (["optim.lr"], "expected KEY=VALUES"),
        (["optim.lr=3:1"], "3 is not below 1"),
        (["optim.lr=0:1:log"], "log needs numbers above 0, got 0"),
        (["optim.lr=a:b"], "with two numbers"),
        (["optim.lr=1:2:exp"], "LOW:HIGH:log with two numbers"),
        (["model.arch=fpn"], "two or more different values"),
        (["model.arch=fpn,fpn"], "two or more different values"),
        (["a=1,2", "a=3,4"], "--over a is given twice"),
    ],
)
def test_a_text_that_is_no_space_is_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_spaces(texts)


class Trainer:
    """Takes 100 s; scores best near optim.lr=0.01, and unet is 10 points better."""

    def __init__(self):
        self.now_s, self.asked = 0.0, []

    def clock(self):
        return self.now_s

    def train(self, data, run, options, callbacks):
        settings = options.settings
        self.asked.append(settings)
        run.mkdir(parents=True)
        (run / "recipe.yaml").write_text(f"# {settings['optim.lr']}\n")
        if settings["optim.lr"] > 0.05:
            self.now_s += 5
            raise TrainingError("the loss is nan")
        miou = 0.6 - 0.1 * abs(math.log10(settings["optim.lr"]) + 2)
        miou += 0.1 * (settings["model.arch"] == "unet")
        for step in range(1, 11):
            self.now_s += 10
            shown = miou * step / 10
            speed = {"images_per_s": 1.0, "left_s": 1.0}
            scores = {"epoch": step, "loss": 1.0, "miou": shown, "best_miou": shown}
            callbacks.on_step(Status(step=step, num_steps=10, **scores, **speed))
        return SimpleNamespace(report=SimpleNamespace(miou=miou))


def search(out, trainer, time_s=2000, *, resume=False, **options):
    asked = SweepOptions(
        over=OVER, time_s=time_s, options=TrainOptions(**options), resume=resume
    )
    return sweep("data", out, asked, train_one=trainer.train, clock=trainer.clock)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    out, trainer = tmp_path_factory.mktemp("searches") / "s", Trainer()
    return search(out, trainer), trainer


def test_a_search_takes_its_time_and_finds_what_scores_best(searched):
    trials, trainer = searched
    assert 1800 <= trainer.now_s <= 2000
    assert trials.best.miou == max(t.miou for t in trials.ended if t.state == "finished")
    assert trials.best.values["model.arch"] == "unet"
    assert trials.best.miou > 0.62


def test_bad_trials_end_early_and_failures_are_told(searched):
    trials, _ = searched
    states = {trial.state for trial in trials.ended}
    assert {"finished", "pruned"} <= states <= {"finished", "pruned", "failed"}
    for trial in trials.ended:
        if trial.state == "pruned":
            assert trial.seconds < 100
            assert min(trial.course) >= 10
            assert max(trial.course) >= 30
        if trial.state == "failed":
            assert trial.note == "the loss is nan"
    assert len(trials.ended) > 20


def test_a_folder_has_the_table_the_page_and_the_best_recipe(searched):
    trials, _ = searched
    document = json.loads((trials.root / "sweep.json").read_text())
    best = trials.best.folder
    assert document["best"] == best
    assert document["over"] == list(OVER)
    assert (trials.root / "recipe.yaml").read_text() == (
        trials.root / best / "recipe.yaml"
    ).read_text()
    page = (trials.root / "index.html").read_text(encoding="utf-8")
    assert page.index(f'href="{best}/index.html"') < page.index(">pruned")


def test_a_trial_has_a_tenth_of_the_time_unless_its_length_is_given(tmp_path):
    budgets = []

    class Noting(Trainer):
        def train(self, data, run, options, callbacks):
            budgets.append(options.budget_s)
            return super().train(data, run, options, callbacks)

    search(tmp_path / "a", Noting(), 300)
    search(tmp_path / "b", Noting(), 90, settings={"schedule.epochs": 3})
    assert set(budgets[:-1]) == {30.0}
    assert budgets[-1] is None


def test_an_interrupted_search_goes_on_with_what_it_knows(tmp_path):
    trainer = Trainer()
    first = search(tmp_path / "s", trainer, 400)
    known = [trial.to_json() for trial in first.ended]
    (tmp_path / "s" / f"trial-{len(known):03d}").mkdir()  # the one that was interrupted
    found = search(tmp_path / "s", trainer, 800, resume=True)
    assert [trial.to_json() for trial in found.ended[: len(known)]] == known
    assert len(found.ended) > len(known)
    assert found.spent_s <= 800 + 100 - 80  # a trial that begins in time takes 100 s


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"resume": True}, "no search to resume"),
        ({"settings": {"optim.lr": 1.0}}, "--over optim.lr and --set optim.lr exclude each"),
        ({"settings": {"optim.lrr": 1.0}}, "did you mean 'lr'"),
        ({"budget_s": 5000.0}, "--trial-time 5000s is longer than --time 2000s"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_data_is_read(tmp_path, more, message):
    with pytest.raises(ConfigError, match=message):
        search(tmp_path / "s", Trainer(), **more)
    assert not (tmp_path / "s").exists()


def test_a_second_search_and_another_space_need_another_folder(searched):
    trials, trainer = searched
    with pytest.raises(ConfigError, match="there is a search already; go on with --resume"):
        search(trials.root, trainer)
    other = SweepOptions(over=("augment.blur=0,1",), time_s=60, resume=True)
    with pytest.raises(ConfigError, match=r"the search began with --over optim\.lr"):
        sweep("data", trials.root, other, train_one=trainer.train)


def test_a_search_of_which_no_trial_ends_says_why(tmp_path):
    class Failing(Trainer):
        def train(self, data, run, options, callbacks):
            self.now_s += 1
            raise TrainingError("out of memory")

    trainer = Failing()
    with pytest.raises(TrainingError, match=r"no trial of the search in .* ended: out of mem"):
        search(tmp_path / "s", trainer, 4000)
    assert trainer.now_s == 3
