"""Networks to start a training from, tiny: a checkpoint of ours, and a model on a fake hub."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from maskwright.core.bundle import WEIGHTS
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.checkpoint import write_card
from maskwright.core.inputspec import InputSpec
from maskwright.core.labels import LabelSpec
from maskwright.nn.build import new_model

COMMIT = "0123456789abcdef0123456789abcdef01234567"
README = "---\nlicense: other\nlicense_name: acme-research\n---\n# A model\n"
CONFIG = {"pyramid_channels": 16, "decoder_channels": 32}
FPN = ArchSpec(name="fpn", encoder="test_resnet", config=CONFIG, revision=2)
HALF = InputSpec(channels=3, mean=(0.5,) * 3, std=(0.25,) * 3)

STREET = ("road", "sidewalk", "building", "sky", "tree", "grass", "car")
"""All classes of the drawn streets but three."""

SETTINGS = {
    "input.scale_ratio": 1.0,
    "data.crop_px": [64, 64],
    "data.batch_size": 2,
    "optim.precision": "fp32",
    "schedule.epochs": 2,
}
UNCHANGED = SETTINGS | {"optim.lr": 1e-12, "optim.ema_decay": 0.0}
"""So small a rate changes nothing: a run ends with the weights that it began with."""


def write_checkpoint(
    folder: Path,
    names: tuple[str, ...],
    arch: ArchSpec = FPN,
    spec: InputSpec = HALF,
    **provenance: object,
) -> dict[str, torch.Tensor]:
    """The folder of a checkpoint of ours; returns its state dict."""
    folder.mkdir(parents=True)
    torch.manual_seed(5)
    network = new_model(arch, spec.channels, len(names), revision=arch.revision)
    state = network.state_dict()
    save_file({k: v.contiguous() for k, v in state.items()}, folder / WEIGHTS)
    labels = LabelSpec.from_names(names)
    card = ModelCard(labels=labels, input=spec, arch=arch, provenance=provenance)
    write_card(folder, card)
    return state


def write_unet(folder: Path, num_classes: int) -> None:
    """A U-Net as segmentation-models-pytorch saves it, without names of classes."""
    from maskwright.nn.encoders import import_smp

    torch.manual_seed(6)
    import_smp().Unet(
        "tu-test_resnet",
        encoder_weights=None,
        classes=num_classes,
        decoder_channels=(32, 16, 16, 8, 8),
    ).save_pretrained(folder)


def make_hub(root: Path, monkeypatch) -> Path:
    """The folder of hub:acme/unet in the cache of a hub that cannot be reached."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(root))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = root / "models--acme--unet"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs/main").write_text(COMMIT, encoding="utf-8")
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder
