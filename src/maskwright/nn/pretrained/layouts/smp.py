"""segmentation-models-pytorch's `save_pretrained`: config.json and model.safetensors."""

from collections.abc import Callable, Mapping
from typing import Any

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input

PUBLISHER = "segmentation-models-pytorch"
KEYS = ("segmentation_head.0.weight", "segmentation_head.0.bias")
NAMES: dict[str, str] = {}

CHANNELS = "decoder_channels"
NEUTRAL = {
    "activation": None,
    "aux_params": None,
    "decoder_attention_type": None,
    "decoder_interpolation": "nearest",
    "decoder_use_norm": "batchnorm",
    "decoder_use_batchnorm": True,
    "encoder_depth": 5,
    "encoder_output_stride": None,
}
"""Options of the library at which its network is ours; others are refused."""

FREE = {"_model_class", "classes", "encoder_name", "encoder_weights", "in_channels"}

Settings = Mapping[str, Any]
ARCHS: dict[str, tuple[str, Callable[[Settings], dict[str, object]]]] = {
    "Unet": ("unet", lambda c: {CHANNELS: tuple(c[CHANNELS])}),
    "UnetPlusPlus": (
        "unetplusplus",
        lambda c: {CHANNELS: tuple(c[CHANNELS]), "aux_weight": 0.0},
    ),
}
"""By the library's class: our architecture and its settings. Only networks that are equal."""


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: There is no config.json of the library, or the network is another one.
    """
    config = checkpoint.config
    kind = config.get("_model_class")
    if kind not in ARCHS:
        raise ConfigError(
            f"{checkpoint.source}: {kind or 'no config.json'}; expected the folder of "
            f"`save_pretrained` with a network of {', '.join(ARCHS)}: the others of the "
            f"library differ from ours"
        )
    name, choose = ARCHS[kind]
    known = {*FREE, CHANNELS}
    for option, value in config.items():
        if option not in known and value != NEUTRAL.get(option):
            raise ConfigError(
                f"{checkpoint.source}: {option} is {value!r}, which {name} does not have here"
            )
    channels = config["in_channels"]
    spec = make_input(checkpoint)
    if channels != 3:
        raise ConfigError(
            f"{checkpoint.source}: takes {channels} channels, and nothing in it says how to "
            f"normalise them; expected a network for RGB images"
        )
    return Described(
        arch=ArchSpec(
            name=name, encoder=config["encoder_name"].removeprefix("tu-"), config=choose(config)
        ),
        num_classes=config["classes"],
        input=spec,
    )
