"""segmentation-models-pytorch's `save_pretrained`: config.json and model.safetensors.

Its networks are opened as revision 1 of our architectures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from maskwright.core.card import ArchSpec
from maskwright.core.errors import ConfigError
from maskwright.nn.pretrained.files import ForeignCheckpoint
from maskwright.nn.pretrained.layout import Described, make_input
from maskwright.nn.pretrained.smp import require_rgb

PUBLISHER = "segmentation-models-pytorch"
KEYS = ("segmentation_head.0.weight", "segmentation_head.0.bias")
NAMES: dict[str, str] = {}

CHANNELS = "decoder_channels"
NEUTRAL = {
    "activation": None,
    "aux_params": None,
    "decoder_attention_type": None,
    "decoder_interpolation": "nearest",
    "decoder_merge_policy": "add",
    "decoder_use_norm": "batchnorm",
    "decoder_use_batchnorm": True,
    "encoder_depth": 5,
    "encoder_output_stride": None,
    "upsampling": 4,
}
"""Options of the library at which its network is ours; others are refused."""

FREE = {"_model_class", "classes", "encoder_name", "encoder_weights", "in_channels"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One class of the library: our architecture, and its settings by the library's options.

    `fixed` are settings of ours; `neutral` replaces values of `NEUTRAL`.
    """

    arch: str
    settings: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, object] = field(default_factory=dict)
    neutral: Mapping[str, object] = field(default_factory=dict)


ATROUS = {
    "encoder_output_stride": "output_stride",
    CHANNELS: CHANNELS,
    "decoder_atrous_rates": "atrous_rates",
    "decoder_aspp_dropout": "dropout",
}
KINDS = {
    "Unet": Kind(arch="unet", settings={CHANNELS: CHANNELS}),
    "UnetPlusPlus": Kind(
        arch="unetplusplus", settings={CHANNELS: CHANNELS}, fixed={"aux_weight": 0.0}
    ),
    "MAnet": Kind(
        arch="manet",
        settings={CHANNELS: CHANNELS, "decoder_pab_channels": "attention_channels"},
    ),
    "Linknet": Kind(arch="linknet"),
    "FPN": Kind(
        arch="fpn",
        settings={
            "decoder_pyramid_channels": "pyramid_channels",
            "decoder_segmentation_channels": CHANNELS,
            "decoder_dropout": "dropout",
        },
    ),
    "DeepLabV3": Kind(
        arch="deeplabv3",
        settings=ATROUS,
        neutral={"decoder_aspp_separable": False, "upsampling": None},
    ),
    "DeepLabV3Plus": Kind(
        arch="deeplabv3plus", settings=ATROUS, neutral={"decoder_aspp_separable": True}
    ),
    "UPerNet": Kind(arch="upernet", settings={CHANNELS: CHANNELS}),
    "Segformer": Kind(arch="segformer", settings={"decoder_segmentation_channels": CHANNELS}),
}
"""By the library's class. Only networks that are equal."""

DIFFERENT = {
    "PSPNet": "resizes the levels of its pyramid with aligned corners, ours without",
    "PAN": "halves odd maps to the smaller number of rows, ours to the larger",
}


def describe(checkpoint: ForeignCheckpoint) -> Described:
    """The contract of `Layout`.

    Raises:
        ConfigError: There is no config.json of the library, or the network is another one.
    """
    config, source = checkpoint.config, checkpoint.source
    name = str(config.get("_model_class"))
    if name in DIFFERENT:
        raise ConfigError(
            f"{source}: {name} of the library {DIFFERENT[name]}, so its weights would give "
            f"other logits here; use the library for it"
        )
    if name not in KINDS:
        raise ConfigError(
            f"{source}: {config.get('_model_class') or 'no config.json'}; expected the folder "
            f"of `save_pretrained` with a network of {', '.join(KINDS)}"
        )
    kind = KINDS[name]
    neutral = {**NEUTRAL, **kind.neutral}
    for option, value in config.items():
        if option not in FREE | set(kind.settings) and value != neutral.get(option):
            raise ConfigError(
                f"{source}: {option} is {value!r}, which {kind.arch} does not have here"
            )
    require_rgb(checkpoint)
    settings = {ours: _freeze(config[theirs]) for theirs, ours in kind.settings.items()}
    # a model of timm may have the name of its weights behind a dot
    encoder = config["encoder_name"].removeprefix("tu-").partition(".")[0]
    return Described(
        arch=ArchSpec(name=kind.arch, encoder=encoder, config={**settings, **kind.fixed}),
        num_classes=config["classes"],
        input=make_input(checkpoint),
        revision=1,
    )


def _freeze(value: Any) -> Any:
    """JSON has lists where our settings have tuples."""
    return tuple(value) if isinstance(value, list) else value
