"""The whole of `train`, as a user meets it: files, messages, killing and going on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.initial import STREET, UNCHANGED, write_checkpoint
from tests.signals import INTERRUPTED, listen_to_signals

from maskwright.core.errors import ConfigError, DataError, TrainingError
from maskwright.data.dataset import open_dataset
from maskwright.data.splits import make_split
from maskwright.data.synth.streets import write_street_scenes
from maskwright.inference.predictor import open_model
from maskwright.training import setup
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.recipe import Recipe, override, read_recipe
from maskwright.training.run import open_run, plan, train


def weights(run, name="best"):
    return load_file(run / name / "weights.safetensors")


def assert_same(one, other):
    assert one.keys() == other.keys()
    for key in one:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


@pytest.mark.slow
def test_a_run_leaves_a_bundle_a_report_a_log_and_two_checkpoints(finished):
    run, seen = finished
    root = run.root
    assert {p.name for p in root.iterdir()} == {
        *("recipe.yaml", "run.json", "log.csv", "steps.csv", "iou.csv", "index.html"),
        *("curves", "previews", "tensorboard"),
        *("checkpoints", "best", "last", "report", "bundle", "baseline.ndjson"),
    }
    assert len(list((root / "checkpoints").iterdir())) <= 2
    rows = (root / "log.csv").read_text().splitlines()
    assert rows[0] == "epoch,step,loss,lr,val_miou,seconds"
    assert len(rows) == 1 + 2
    assert not list(root.rglob("*.pt")) + list(root.rglob("*.pkl"))
    assert [s.step for s in seen] == list(range(1, seen[-1].num_steps + 1))
    assert run.bundle.graphs[0].parity.largest_logit_difference < 1e-2


@pytest.mark.slow
def test_the_log_the_report_and_the_bundle_tell_one_score(finished, street):
    run, _ = finished
    best = max(float(r.split(",")[4]) for r in (run.root / "log.csv").read_text().split()[1:])
    assert run.report.miou == pytest.approx(best, abs=2e-6)
    val = open_dataset(street).subset("val")
    for model in (run.root, run.bundle.root):
        predicted = open_model(model).predict(val.image(0), where="x").labels_HW
        assert predicted.shape == val.labels(0).shape
    assert open_run(run.root).bundle.model_id == run.bundle.model_id


@pytest.mark.slow
def test_a_run_ends_with_a_temperature_that_its_bundle_and_report_know(finished):
    run, _ = finished
    found = run.bundle.card.provenance["calibration"]
    assert found["nll_after"] <= found["nll_before"]
    assert run.bundle.card.temperature == open_model(run.root).card.temperature
    assert run.bundle.card.temperature == found["temperature"] != 1
    assert run.report.provenance.model.training["calibration"] == found


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(finished, street, tmp_path, quick):
    run, _ = finished
    train(street, tmp_path / "b", TrainOptions(settings=quick))
    assert_same(weights(run.root), weights(tmp_path / "b"))


@pytest.mark.slow
def test_a_folder_with_a_run_is_not_overwritten(finished, street, quick):
    run, _ = finished
    with pytest.raises(ConfigError, match=r"there is a run already; continue it with --resume"):
        train(street, run.root, TrainOptions(settings=quick))
    with pytest.raises(ConfigError, match="--resume continues with the run's own recipe"):
        train(street, run.root, TrainOptions(settings=quick, resume=True))


@pytest.mark.slow
def test_resuming_on_other_data_is_refused(finished, tmp_path):
    run, _ = finished
    other = write_street_scenes(tmp_path / "other", num_images=10, size_HW=(64, 64), seed=9)
    with pytest.raises(DataError, match=r"began with 10 training images .* now there are 6"):
        train(other, run.root, TrainOptions(resume=True))


ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
"""On images this small, threads cost more than they bring."""


def command(street, out, *more):
    return [sys.executable, "-m", "maskwright", "train", str(street), "-o", str(out), *more]


def quick_options(quick, **more):
    return [
        part
        for key, value in (quick | more).items()
        for part in ("--set", f"{key}={json.dumps(value)}")
    ]


@pytest.mark.slow
def test_a_run_resumes_bit_for_bit_after_kill_9(street, tmp_path, quick):
    options = quick_options(quick, **{"schedule.epochs": 4})
    whole = subprocess.run(
        command(street, tmp_path / "whole", *options),
        capture_output=True,
        env=ONE_THREAD,
        text=True,
        check=False,
    )
    assert whole.returncode == 0, whole.stderr

    out = tmp_path / "killed"
    process = subprocess.Popen(
        command(street, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ONE_THREAD,
    )
    while not (out / "last").exists():
        assert process.poll() is None, process.stdout.read().decode()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (out / "bundle").exists()

    resumed = subprocess.run(
        command(street, out, "--resume"),
        capture_output=True,
        env=ONE_THREAD,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    assert_same(weights(tmp_path / "whole", "last"), weights(out, "last"))
    scores = [
        [row.split(",")[:5] for row in (r / "log.csv").read_text().split()]
        for r in (tmp_path / "whole", out)
    ]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_ctrl_c_saves_and_tells_how_to_resume(street, tmp_path, quick):
    out = tmp_path / "stopped"
    options = quick_options(quick, **{"schedule.epochs": 500})
    process = subprocess.Popen(
        command(street, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_signals,
    )
    while not (out / "last").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in INTERRUPTED, errors
    assert "saved at step" in errors
    assert f"resume with: maskwright train {street} -o {out} --resume" in errors
    assert "Traceback" not in errors
    assert (out / "last" / "state.json").is_file()


@pytest.mark.slow
def test_a_loss_that_is_not_a_number_stops_with_the_keys(street, tmp_path, quick):
    out = tmp_path / "nan"
    with pytest.raises(
        TrainingError,
        match=r"the loss is (nan|inf).*optim\.lr=1e\+30; lower the .*nan_batch\.json",
    ):
        train(street, out, TrainOptions(settings=quick | {"optim.lr": 1e30}))
    kept = json.loads((out / "nan_batch.json").read_text())
    assert len(kept["keys"]) == 2
    assert set(kept["keys"]) <= {e.key for e in open_dataset(street).subset("train").entries}


@pytest.mark.slow
def test_a_disk_that_fills_up_is_named_and_leaves_no_half_checkpoint(street, mounted, quick):
    disk = mounted("size=4m")
    done = subprocess.run(
        command(street, disk / "run", *quick_options(quick)),
        capture_output=True,
        env=ONE_THREAD,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "cannot write: the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    checkpoints = disk / "run" / "checkpoints"
    assert not checkpoints.exists() or not list(checkpoints.iterdir())


@pytest.mark.slow
def test_patience_ends_a_run_that_no_longer_gains(street, tmp_path, quick):
    settings = quick | {"schedule.patience": 1, "schedule.epochs": 60, "optim.lr": 1e-9}
    settings["schedule.validate_every"] = 1
    train(street, tmp_path / "p", TrainOptions(settings=settings))
    with (tmp_path / "p" / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    scores = [float(row["val_miou"]) for row in rows if row["val_miou"]]
    assert len(rows) < 60
    assert scores[-1] <= max(scores[:-1])  # norms still move at this rate, so some may gain


@pytest.mark.slow
def test_two_processes_score_as_one(street, tmp_path, quick):
    settings = quick | {
        "data.batch_size": 4,
        "schedule.epochs": 12,
        "loss.sum": "ce",
        "optim.lr": 3e-3,
        "optim.ema_decay": 0.9,
    }
    one = train(street, tmp_path / "one", TrainOptions(settings=settings)).report.miou
    done = _by_two(street, tmp_path / "two", settings)
    assert done.returncode == 0, done.stderr
    two = open_run(tmp_path / "two").report.miou
    assert two == pytest.approx(one, abs=0.06)


def test_a_batch_is_divided_by_the_number_of_processes(monkeypatch, quick):
    several = SimpleNamespace(num_processes=2, device=torch.device("cpu"))
    monkeypatch.setattr(setup, "get_processes", lambda: several)
    recipe = override(Recipe(), quick | {"data.batch_size": 3})
    with pytest.raises(ConfigError, match=r"=3 cannot be .* 2 processes; .*batch_size=4$"):
        setup.make_accelerator(recipe)


@pytest.mark.long
def test_a_batch_that_two_processes_cannot_divide_is_refused(street, tmp_path, quick):
    done = _by_two(street, tmp_path / "odd", quick | {"data.batch_size": 3})
    assert "data.batch_size=3 cannot be divided by 2 processes" in done.stderr


@pytest.mark.long
def test_two_processes_begin_a_fold_with_the_network_that_init_names(tmp_path):
    data = write_street_scenes(tmp_path / "data", num_images=8, size_HW=(64, 64), seed=3)
    make_split(data, folds=2, redraw=True, group=".+")
    old = write_checkpoint(tmp_path / "old", STREET, dataset="another")
    settings = UNCHANGED | {"schedule.epochs": 1}
    start = ("--init", str(tmp_path / "old"), "--fold", "1")
    done = _by_two(data, tmp_path / "new", settings, *start)
    assert done.returncode == 0, done.stderr
    run = open_run(tmp_path / "new")
    splits = read_recipe(run.root / "recipe.yaml").data
    assert (splits.train_split, splits.val_split) == ("fold0", "fold1")
    assert run.bundle.card.provenance["init"]["kept_classes"] == list(STREET)
    new = load_file(run.root / "best" / "weights.safetensors")
    head = "network.head.weight"
    np.testing.assert_allclose(new[head][:7], old[head].numpy(), atol=1e-6)


def _by_two(street, out, settings, *more):
    """Train in two processes on the CPU: `accelerate launch --cpu` would start one."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    verb = command(street, out, *quick_options(settings), *more)[3:]
    return subprocess.run(
        [*launch, "-m", "maskwright", *verb],
        capture_output=True,
        env=ONE_THREAD | {"ACCELERATE_USE_CPU": "true"},
        text=True,
        check=False,
    )


def test_weights_that_are_not_there_fail_before_images_are_measured(street, tmp_path):
    seen = []

    def progress(items, *, total, what):
        seen.append(what)
        yield from items

    options = TrainOptions(settings={"model.encoder_weights": "x.pth"})
    with pytest.raises(ConfigError, match=r"encoder weights '.*x\.pth': no such file"):
        train(street, tmp_path / "runs" / "r", options, Callbacks(progress=progress))
    assert "counting classes" not in seen
    assert not (tmp_path / "runs").exists()


def test_a_missing_folder_is_named_before_weights(tmp_path):
    options = TrainOptions(settings={"model.encoder_weights": "x.pth"})
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        train(tmp_path / "nowhere", tmp_path / "r", options)
    assert not (tmp_path / "r").exists()


def test_a_run_that_is_refused_after_its_plan_leaves_nothing(street, tmp_path, quick):
    options = TrainOptions(settings=quick | {"optim.precision": "fp16"}, device="cpu")
    with pytest.raises(ConfigError, match=r"'fp16' needs device 'cuda', got 'cpu'"):
        train(street, tmp_path / "r", options)
    assert not (tmp_path / "r").exists()


@pytest.mark.slow
def test_ctrl_c_while_planning_leaves_nothing_and_does_not_speak_of_resuming(street, tmp_path):
    out = tmp_path / "runs" / "planned"
    options = ["--set", "model.encoder_weights=none", "--set", "data.crop_px=[640, 640]"]
    process = subprocess.Popen(
        command(street, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ONE_THREAD,
        preexec_fn=listen_to_signals,
    )
    while not out.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in INTERRUPTED, errors
    assert "Interrupted." in errors
    assert "resume" not in errors
    assert not (tmp_path / "runs").exists()


def test_a_misspelt_setting_fails_before_any_data_is_read(tmp_path):
    with pytest.raises(
        ConfigError, match=r"model\.encodr: no such key; did you mean 'encoder'"
    ):
        plan(tmp_path / "nowhere", settings={"model.encodr": "x"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lr": 1}, r"lr: no such key; did you mean 'optim\.lr'\?"),
        ({"model.arch": "fpnn"}, r"no arch named 'fpnn'; did you mean 'fpn'\?"),
        (
            {"model.encoder": "resnet3"},
            r"no encoder named 'resnet3'; did you mean 'resnet34'",
        ),
        ({"model.config.piramid_channels": 3}, r"did you mean 'pyramid_channels'\?"),
        ({"loss.sum": "dicee"}, r"no loss named 'dicee'; did you mean 'dice'\?"),
        ({"loss.config": {"dice": {"smoth": 1}}}, r"loss\.config\.dice: smoth: no such key"),
    ],
)
def test_names_of_parts_and_of_their_settings_fail_before_any_data_is_read(
    tmp_path, settings, message
):
    with pytest.raises(ConfigError, match=message):
        plan(tmp_path / "nowhere", settings=settings)


def test_a_setting_of_the_usual_architecture_needs_no_name_of_it(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        plan(tmp_path / "nowhere", settings={"model.config.pyramid_channels": 64})


def test_epochs_and_a_budget_exclude_each_other(tmp_path):
    settings = {"schedule.epochs": 3}
    with pytest.raises(
        ConfigError, match="--budget chooses the length, and --epochs or --steps gives"
    ):
        plan(tmp_path / "nowhere", settings=settings, budget_s=90)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1"])
def test_an_unknown_device_is_refused(tmp_path, device):
    with pytest.raises(ConfigError, match="expected cpu, cuda or cuda:N"):
        plan(tmp_path, device=device)
