"""Choices of a recipe that the loop must carry out, in one run with all of them."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from maskwright.core.card import ArchSpec
from maskwright.core.progress import silent
from maskwright.nn.any_size import AnySize
from maskwright.nn.build import load_model, new_model
from maskwright.training.data import TrainingData
from maskwright.training.loop import fit
from maskwright.training.machine import use_device
from maskwright.training.origin import Origin
from maskwright.training.recipe import Recipe, override
from maskwright.training.setup import make_accelerator
from maskwright.training.start import make_job


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = new_model(ArchSpec(name="fpn", encoder="test_resnet"), 3, 2)
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    save_file(model.network.encoder.state_dict(), path)
    return path


@pytest.fixture
def job(street, quick, encoder_file, tmp_path):
    choices = {
        "model.encoder_weights": str(encoder_file),
        "optim.freeze_epochs": 1,
        "data.copy_paste": 0.5,
        "data.class_mix": 0.5,
        "weather.share": 0.5,
        "loss.sum": "ce + 0..0.1*boundary",
    }

    def make(name, **more):
        recipe = override(Recipe(), quick | choices | more)
        data = TrainingData.read(street, {}, silent)
        run = tmp_path / name
        run.mkdir()
        return make_job(run, recipe, data, Origin())

    return make


def stopping_after(step):
    def on_step(status):
        if status.step == step:
            raise KeyboardInterrupt

    return on_step


def go(job, on_step=lambda _status: None, *, resume=False):
    use_device("cpu")  # another run in this process may have had another precision
    fit(job, make_accelerator(job.recipe), on_step, resume=resume)
    return load_file(job.run / "last" / "weights.safetensors")


@pytest.mark.slow
def test_the_encoder_waits_an_epoch_and_a_killed_run_goes_on_the_same(job, encoder_file):
    whole, broken = job("whole"), job("broken")
    with pytest.raises(KeyboardInterrupt):
        go(broken, stopping_after(broken.steps_per_epoch + 1))
    waited = load_file(broken.run / "last" / "train.safetensors")
    for key, value in load_file(encoder_file).items():
        assert torch.equal(waited[f"model.network.encoder.{key}"], value), key
    first, second = go(whole), go(broken, resume=True)
    assert all(torch.equal(first[key], second[key]) for key in first)
    moved = [
        not torch.equal(first[f"network.encoder.{key}"], value)
        for key, value in load_file(encoder_file).items()
        if value.ndim == 4
    ]
    assert all(moved)


@pytest.mark.slow
def test_a_network_of_group_norms_is_made_again_from_its_card(job):
    grouped = job("grouped", **{"model.norm": "group"})
    go(grouped)
    assert grouped.card.arch.norm == "group"
    model = load_model(grouped.card, grouped.run / "best" / "weights.safetensors")
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules())


@pytest.mark.slow
def test_a_network_learns_the_share_of_the_run_before_each_step_also_after_a_resume(
    job, monkeypatch
):
    shares = []
    monkeypatch.setattr(AnySize, "set_progress", lambda _self, share: shares.append(share))
    broken = job("shares", **{"optim.name": "sgd", "optim.lr": 0.01})
    saved = broken.steps_per_epoch
    with pytest.raises(KeyboardInterrupt):
        go(broken, stopping_after(saved + 1))
    assert shares == [n / broken.num_steps for n in range(saved + 1)]
    shares.clear()
    weights = go(broken, resume=True)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    assert shares == [n / broken.num_steps for n in range(saved, broken.num_steps)]


@pytest.mark.slow
def test_weights_of_the_loss_move_with_the_steps(job):
    late = job("late", **{"loss.sum": "0..1@0.5..0.9*ce"})
    go(late)
    rows = (late.run / "log.csv").read_text().splitlines()[1:]
    first, second = (float(row.split(",")[2]) for row in rows)
    assert first == 0 < second
