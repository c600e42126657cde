"""Every architecture with fewer and narrower layers of the same kinds, for tests of all."""

from maskwright.core.card import ArchSpec
from maskwright.nn.build import load_arch

FEWER_LAYERS = {
    "fcdensenet103": {"down_layers": (1, 2, 1, 1, 2), "bottleneck_layers": 2},
    "manet": {"decoder_channels": (64, 64, 32, 32, 16)},
    "mask2former": {"pixel_layers": 2, "query_layers": 4, "decoder_channels": 64},
    "maskformer": {"query_layers": 2, "decoder_channels": 64},
    "mask_rcnn": {
        "num_proposals": 64,
        "num_detections": 20,
        "pyramid_channels": 64,
        "box_channels": 64,
        "mask_channels": 32,
    },
    "upernet": {"decoder_channels": 128},
}
"""Tracing takes time by the layer, training by the weight, a mask in a box takes it to run."""

SMALLEST = {
    "dpt": "vit_tiny_patch16_224",
    "lraspp": "mobilenetv3_small_050",
    "segnet": "vgg11_bn",
}
"""Encoders of the architectures whose default is larger."""


def small_arch(name: str, encoder: str, **config: object) -> ArchSpec:
    """The architecture `name`, on `encoder` if it supports any, with more of `config`."""
    known = load_arch(name).ENCODERS or (encoder,)
    return ArchSpec(
        name=name,
        encoder=SMALLEST.get(name, known[0]),
        config=FEWER_LAYERS.get(name, {}) | config,
    )
