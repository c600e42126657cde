"""Encoder weights: by download, by file, or none; each failure says what to do."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.initial import COMMIT, README, make_hub, write_checkpoint, write_unet

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError, UnknownNameError
from maskwright.nn.build import new_model
from maskwright.nn.encoder_weights import open_weights, require_weights
from maskwright.nn.encoders import library_name

ARCH = {"name": "segformer", "encoder": "resnet18", "config": {}}


def encoder_state(in_channels=3):
    return new_model(ArchSpec.from_json(ARCH), in_channels, 2).network.encoder.state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("prefix", ["", "encoder.", "module.encoder."])
def test_a_file_fills_every_tensor_of_the_encoder(tmp_path, suffix, prefix):
    torch.manual_seed(1)
    state = {prefix + k: v.contiguous() for k, v in encoder_state().items()}
    state["fc.weight"] = torch.zeros(2, 2)
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    torch.manual_seed(2)
    filled = new_model(
        ArchSpec.from_json(ARCH), 3, 2, weights=str(path)
    ).network.encoder.state_dict()
    for key, value in filled.items():
        assert torch.equal(value, state[prefix + key]), key
    assert open_weights(str(path)).fits("resnet18")
    assert not open_weights(str(path)).fits("resnet34")


def test_one_channel_answers_to_grey_as_three_did(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(encoder_state(), path)
    grey = torch.rand(1, 1, 32, 32)
    answers = [
        new_model(
            ArchSpec.from_json(ARCH), channels, 2, weights=str(path)
        ).network.encoder.conv1(grey.expand(-1, channels, -1, -1))
        for channels in (3, 1, 4, 6)
    ]
    torch.testing.assert_close(answers[0], answers[1])
    torch.testing.assert_close(answers[0], answers[3])
    assert answers[2].shape == answers[0].shape


def test_weights_of_another_encoder_are_named(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(encoder_state(), path)
    with pytest.raises(ConfigError, match=r"\d+ of \d+ tensors .*first.*another encoder"):
        new_model(
            ArchSpec.from_json(ARCH | {"encoder": "mobilenet_v2"}), 3, 2, weights=str(path)
        )


@pytest.mark.parametrize("encoder", ["resnext101_32x4d", "botnet50ts_256"])
def test_an_encoder_that_nobody_published_weights_of_is_named(encoder):
    with pytest.raises(ConfigError, match=f"no ImageNet weights of encoder '{encoder}'"):
        require_weights(encoder, "imagenet")


def test_a_file_without_tensors_or_missing_is_named(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"no tensors")
    with pytest.raises(ConfigError, match=r"w\.pth: not a file of tensors.*torch\.save"):
        new_model(ArchSpec.from_json(ARCH), 3, 2, weights=str(tmp_path / "w.pth"))
    with pytest.raises(ConfigError, match=r"'none\.pth': no such file; give 'imagenet'"):
        require_weights("resnet18", "none.pth")


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    torch.save({"x": pytest.raises}, tmp_path / "w.pth")
    with pytest.raises(ConfigError, match="not a file of tensors"):
        new_model(ArchSpec.from_json(ARCH), 3, 2, weights=str(tmp_path / "w.pth"))


def test_encoders_are_known_by_both_libraries_names():
    assert library_name("resnet18") == "resnet18"
    assert library_name("convnext_tiny") == "tu-convnext_tiny"
    with pytest.raises(UnknownNameError, match="no encoder named 'resnet19'; did you mean"):
        library_name("resnet19")


def test_the_encoder_of_a_checkpoint_of_ours_is_taken(tmp_path):
    state = write_checkpoint(tmp_path / "old", ("a", "b"), init={"licence": "acme"})
    found = open_weights(str(tmp_path / "old"))
    assert (found.encoder, found.licence) == ("test_resnet", "acme")
    assert found.statistics == ((0.5,) * 3, (0.25,) * 3)
    arch = ArchSpec(name="unet", encoder="test_resnet")
    filled = new_model(arch, 3, 2, weights=str(tmp_path / "old")).network.encoder
    for key, value in filled.state_dict().items():
        assert torch.equal(value, state[f"network.encoder.{key}"]), key
    with pytest.raises(ConfigError, match=r"they are of test_resnet, and model\.encoder is"):
        require_weights("resnet18", str(tmp_path / "old"))


def test_a_whole_network_without_an_encoder_is_a_start_of_its_own(tmp_path):
    write_checkpoint(tmp_path / "old", ("a", "b"), ArchSpec(name="enet", encoder="own"))
    with pytest.raises(ConfigError, match=r"enet is a whole network .* model\.init="):
        open_weights(str(tmp_path / "old"))
    with pytest.raises(ConfigError, match=r"encoder_weights=none, and model\.init to start"):
        new_model(ArchSpec(name="enet", encoder="own"), 3, 2, weights="x.pth")


def test_the_encoder_of_a_model_on_the_hub_needs_consent_to_its_licence(tmp_path, monkeypatch):
    folder = make_hub(tmp_path, monkeypatch)
    write_unet(folder, 3)
    (folder / "README.md").write_text(README, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"licence: acme-research.*--accept-licence"):
        require_weights("test_resnet", "hub:acme/unet")
    found = require_weights("test_resnet", "hub:acme/unet", accept_licence=True)
    assert found.encoder == "test_resnet"
    assert found.provenance["revision"] == COMMIT
    new_model(ArchSpec(name="fpn", encoder="test_resnet"), 3, 2, weights="hub:acme/unet")


def test_a_classifier_of_timm_fills_an_encoder_whose_stages_it_spells_otherwise(tmp_path):
    import timm

    name = "test_convnext"
    torch.manual_seed(1)
    state = timm.create_model(name).state_dict()
    save_file(state, tmp_path / "model.safetensors")
    trained = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    config = json.dumps({"architecture": name, "pretrained_cfg": trained})
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    found = open_weights(str(tmp_path))
    assert (found.encoder, found.statistics) == (name, ((0.5,) * 3, (0.25,) * 3))
    arch = ArchSpec(name="fpn", encoder=name)
    filled = new_model(arch, 3, 2, weights=str(tmp_path)).network.encoder.state_dict()
    assert torch.equal(filled["model.stem_0.weight"], state["stem.0.weight"])


def test_a_classifier_of_transformers_fills_the_encoder_of_its_network(tmp_path):
    from transformers import SegformerConfig, SegformerForImageClassification

    torch.manual_seed(1)
    SegformerForImageClassification(SegformerConfig()).save_pretrained(tmp_path)
    assert open_weights(str(tmp_path)).encoder is None
    arch = ArchSpec(name="segformer", encoder="mit_b0")
    filled = new_model(arch, 3, 2, weights=str(tmp_path)).network.encoder.state_dict()
    saved = load_file(tmp_path / "model.safetensors")
    own = saved["segformer.encoder.patch_embeddings.0.proj.weight"]
    assert torch.equal(filled["patch_embed1.proj.weight"], own)


REAL_WEIGHTS = (
    Path(__file__).parents[3] / "shared/data/weights/mobilenet_v2_imagenet_from_tf2_ptq.pth"
)


@pytest.mark.real
@pytest.mark.skipif(not REAL_WEIGHTS.exists(), reason="the real weights are not here")
def test_real_imagenet_weights_fit_the_encoder_they_are_of():
    weights = str(REAL_WEIGHTS)
    assert [e for e in ("resnet18", "mobilenet_v2") if open_weights(weights).fits(e)] == [
        "mobilenet_v2"
    ]
    model = new_model(
        ArchSpec.from_json(ARCH | {"encoder": "mobilenet_v2"}), 3, 2, weights=weights
    )
    first = model.network.encoder.features[0][0].weight
    assert first.detach().abs().max() > 0.2


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_encoder_that_pads_by_the_size_of_its_map_takes_any_channels(channels):
    arch = ArchSpec(name="fpn", encoder="tu-tf_efficientnet_lite0")
    model = new_model(arch, channels, 5, weights="none").eval()
    with torch.inference_mode():
        assert model(torch.zeros(1, channels, 64, 96)).shape == (1, 5, 64, 96)
