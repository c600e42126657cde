"""Training starts from a whole network: of ours, or of others, whose licence is accepted."""

import shutil

import pytest
import torch
from safetensors.torch import load_file
from tests.initial import (
    README,
    SETTINGS,
    STREET,
    UNCHANGED,
    make_hub,
    write_checkpoint,
    write_unet,
)

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.core.labels import LabelSpec
from maskwright.training.initial import open_initial
from maskwright.training.model_options import ModelOptions
from maskwright.training.options import Callbacks, TrainOptions
from maskwright.training.recipe import Recipe, override
from maskwright.training.run import plan, train


def opened(tmp_path, names=STREET, **changes):
    write_checkpoint(tmp_path / "old", names, **changes)
    return open_initial(str(tmp_path / "old"), accept_licence=False)


def test_architecture_and_its_settings_follow_from_the_network(tmp_path):
    found = opened(tmp_path).follow(ModelOptions(init="old"))
    assert found["arch"], found["encoder"] == ("fpn", "test_resnet")
    assert found["config"] == {"pyramid_channels": 16, "decoder_channels": 32}
    more = ModelOptions(init="old", arch="fpn", norm="frozen", config={"dropout": 0.5})
    found = opened(tmp_path / "b").follow(more)
    assert found["config"]["dropout"] == 0.5
    assert found["norm"] == "frozen"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arch": "unet"}, r"model\.arch is 'unet', and .*old has 'fpn'; leave out"),
        ({"encoder": "resnet18"}, r"model\.encoder is 'resnet18', and .* has 'test_resnet'"),
        ({"norm": "group"}, r"model\.norm is 'group', and .* has 'batch'"),
        ({"config": {"droput": 0}}, r"model\.config of fpn: droput: .*did you mean 'dropout'"),
    ],
)
def test_what_contradicts_the_network_is_named(tmp_path, given, message):
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path).follow(ModelOptions(init="old", **given))


def test_a_setting_that_changes_a_width_is_named(tmp_path):
    initial = opened(tmp_path)
    model = {"model.arch": "fpn", "model.encoder": "test_resnet", "model.init": "old"}
    recipe = override(Recipe(), model | {"model.config": {"pyramid_channels": 24}})
    with pytest.raises(ConfigError, match=r"pyramid_channels is 24, it has 16"):
        initial.plan_transfer(recipe, LabelSpec.from_names(STREET))


def test_weights_of_an_older_revision_are_trained_as_that(tmp_path):
    old = ArchSpec(name="fpn", encoder="test_resnet", revision=1)
    initial = opened(tmp_path, arch=old)
    found = initial.follow(ModelOptions(init="old"))
    assert (
        found["revision"],
        opened(tmp_path / "b").follow(ModelOptions(init="b"))["revision"],
    ) == (1, 0)
    recipe = override(Recipe(), {f"model.{key}": value for key, value in found.items()})
    taken = initial.plan_transfer(recipe, initial.card.labels)
    assert taken.fresh == taken.unused == ()


def test_two_starts_exclude_each_other():
    with pytest.raises(ConfigError, match=r"encoder_weights is 'imagenet'; use --set model"):
        override(Recipe(), {"model.init": "a", "model.encoder_weights": "imagenet"})
    recipe = override(Recipe(), {"model.init": "a", "optim.freeze_epochs": 1})
    assert recipe.model.encoder_weights == "none"
    assert recipe.model.is_pretrained


def test_a_plan_follows_the_network_and_says_what_is_taken_over(street, tmp_path):
    write_checkpoint(tmp_path / "old", STREET)
    lines = []
    settings = SETTINGS | {"model.init": str(tmp_path / "old")}
    planned = plan(street, settings=settings, log=lines.append, device="cpu")
    model = planned.recipe.model
    assert (model.arch, model.encoder_weights) == ("fpn", "none")
    assert planned.recipe.input.mean == (0.5, 0.5, 0.5)
    assert planned.recipe.optim.lr == pytest.approx(2e-4)
    assert planned.recipe.optim.encoder_lr_ratio == 1
    assert "a tenth of the rate from encoder weights" in planned.reasons["optim.lr"]
    assert "SHA-256" in planned.reasons["model.init"]
    device, taken = lines[1:3]
    assert device.startswith("device: cpu")
    assert "classes taken over: road, sidewalk, building" in taken
    assert taken.endswith("new: pedestrian, pole, traffic_sign")


def test_a_model_of_the_hub_needs_consent_to_its_licence(street, tmp_path, monkeypatch):
    folder = make_hub(tmp_path, monkeypatch)
    write_unet(folder, 3)
    (folder / "README.md").write_text(README, encoding="utf-8")
    settings = SETTINGS | {"model.init": "hub:acme/unet"}
    with pytest.raises(ConfigError, match=r"licence: acme-research.*--accept-licence"):
        plan(street, settings=settings)
    lines = []
    planned = plan(street, settings=settings, accept_licence=True, log=lines.append)
    assert planned.recipe.model.arch == "unet"
    assert "licence: acme-research" in planned.reasons["model.init"]
    assert "no class is taken over" in lines[2]
    assert "2 tensors: segmentation_head.0.weight" in lines[3]


def test_without_a_network_one_message_says_how_to_get_the_files(street, tmp_path, monkeypatch):
    make_hub(tmp_path, monkeypatch)
    for key in ("model.init", "model.encoder_weights"):
        with pytest.raises(ConfigError, match=r"no copy.*hf download a/b --local-dir"):
            plan(street, settings=SETTINGS | {key: "hub:a/b"})


@pytest.mark.slow
def test_a_run_starts_from_a_network_and_resumes_without_it(street, tmp_path):
    old = write_checkpoint(tmp_path / "old", STREET, dataset="another")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"model: {{init: {tmp_path / 'old'}}}\n", encoding="utf-8")
    out, stopped = tmp_path / "new", []

    def stop(status):
        stopped.append(status.step)
        if status.step == 6:
            raise KeyboardInterrupt

    options = TrainOptions(recipe=recipe, settings=UNCHANGED, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(street, out, options, Callbacks(on_step=stop))
    shutil.rmtree(tmp_path / "old")
    run = train(street, out, TrainOptions(resume=True, device="cpu"))
    new = load_file(out / "best" / "weights.safetensors")
    torch.testing.assert_close(new["network.head.weight"][:7], old["network.head.weight"])
    key = next(k for k, v in old.items() if k.startswith("network.encoder.") and v.ndim == 4)
    torch.testing.assert_close(new[key], old[key])
    origin = run.bundle.card.provenance["init"]
    assert origin["kept_classes"] == list(STREET)
    assert origin["files"]["weights.safetensors"]["bytes"] > 1e5
    assert run.bundle.card.input.mean == (0.5,) * 3


def test_a_network_that_saw_other_images_of_the_dataset_is_a_warning(street, tmp_path):
    from maskwright.data.dataset import open_dataset

    seen = {"dataset": open_dataset(street).fingerprint, "train": {"fingerprint": "another"}}
    write_checkpoint(tmp_path / "old", STREET, **seen)
    lines = []
    plan(street, settings=SETTINGS | {"model.init": str(tmp_path / "old")}, log=lines.append)
    assert "trained on other images of this dataset" in lines[-1]
