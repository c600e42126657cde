"""The labels of Cityscapes: the ids that its masks store, and the 19 training classes.

KITTI and others store the same ids. The colours are not unique, so masks of colours cannot be
read.
Source: cityscapesScripts, helpers/labels.py.
"""

from dataclasses import dataclass
from typing import Literal

from ...core.labels import IGNORE, Rgb
from ..classes.dataset_yaml import ClassEntry, CodecEntry


@dataclass(frozen=True, slots=True)
class CityLabel:
    """One label; `train_id` is its class index, IGNORE where it is not a class."""

    name: str
    id: int
    train_id: int
    color: Rgb
    kind: Literal["stuff", "thing"] = "stuff"


LABELS = (
    CityLabel("unlabeled", 0, IGNORE, (0, 0, 0)),
    CityLabel("ego vehicle", 1, IGNORE, (0, 0, 0)),
    CityLabel("rectification border", 2, IGNORE, (0, 0, 0)),
    CityLabel("out of roi", 3, IGNORE, (0, 0, 0)),
    CityLabel("static", 4, IGNORE, (0, 0, 0)),
    CityLabel("dynamic", 5, IGNORE, (111, 74, 0)),
    CityLabel("ground", 6, IGNORE, (81, 0, 81)),
    CityLabel("road", 7, 0, (128, 64, 128)),
    CityLabel("sidewalk", 8, 1, (244, 35, 232)),
    CityLabel("parking", 9, IGNORE, (250, 170, 160)),
    CityLabel("rail track", 10, IGNORE, (230, 150, 140)),
    CityLabel("building", 11, 2, (70, 70, 70)),
    CityLabel("wall", 12, 3, (102, 102, 156)),
    CityLabel("fence", 13, 4, (190, 153, 153)),
    CityLabel("guard rail", 14, IGNORE, (180, 165, 180)),
    CityLabel("bridge", 15, IGNORE, (150, 100, 100)),
    CityLabel("tunnel", 16, IGNORE, (150, 120, 90)),
    CityLabel("pole", 17, 5, (153, 153, 153)),
    CityLabel("polegroup", 18, IGNORE, (153, 153, 153)),
    CityLabel("traffic light", 19, 6, (250, 170, 30)),
    CityLabel("traffic sign", 20, 7, (220, 220, 0)),
    CityLabel("vegetation", 21, 8, (107, 142, 35)),
    CityLabel("terrain", 22, 9, (152, 251, 152)),
    CityLabel("sky", 23, 10, (70, 130, 180)),
    CityLabel("person", 24, 11, (220, 20, 60), "thing"),
    CityLabel("rider", 25, 12, (255, 0, 0), "thing"),
    CityLabel("car", 26, 13, (0, 0, 142), "thing"),
    CityLabel("truck", 27, 14, (0, 0, 70), "thing"),
    CityLabel("bus", 28, 15, (0, 60, 100), "thing"),
    CityLabel("caravan", 29, IGNORE, (0, 0, 90), "thing"),
    CityLabel("trailer", 30, IGNORE, (0, 0, 110), "thing"),
    CityLabel("train", 31, 16, (0, 80, 100), "thing"),
    CityLabel("motorcycle", 32, 17, (0, 0, 230), "thing"),
    CityLabel("bicycle", 33, 18, (119, 11, 32), "thing"),
    CityLabel("license plate", -1, -1, (0, 0, 142)),
)
"""All labels; the licence plate, id -1, does not occur in masks."""

TRAINED = tuple(label for label in LABELS if 0 <= label.train_id < IGNORE)
"""The 19 labels that are classes, in the order of their train ids."""


def list_id_classes() -> tuple[ClassEntry, ...]:
    """List the 19 classes, stored as label ids (`*_labelIds.png`, KITTI's `semantic`)."""
    return tuple(
        ClassEntry(name=label.name, color=label.color, kind=label.kind, raw=(label.id,))
        for label in TRAINED
    )


ID_CODEC = CodecEntry(
    pixels="index",
    ignored=tuple(label.id for label in LABELS if label.train_id == IGNORE),
)
"""The codec of label ids; ids that are not a class are ignored."""
