"""The classes of the datasets that published models are trained on, by their number.

A checkpoint of tensors alone does not name its classes. The datasets that segmentation models
are published for differ in the number of classes, so that number tells the dataset; where it is
another one, the classes are numbered.
"""

from ..core.labels import ClassDef, LabelSpec
from ..data.layouts.cityscapes import TRAINED
from ..data.layouts.known_classes import COCO_PANOPTIC, PASCAL, SCENE_NAMES

CITYSCAPES = tuple(
    ClassDef(name=label.name, color=label.color, kind=label.kind) for label in TRAINED
)


def name_classes(num_classes: int) -> LabelSpec:
    """The classes of Cityscapes (19), Pascal VOC (21), COCO panoptic (133), ADE20K (150).

    Numbered classes for another number.
    """
    if num_classes == len(TRAINED):
        return LabelSpec(CITYSCAPES)
    known = {len(names): names for names in (PASCAL, SCENE_NAMES, COCO_PANOPTIC)}
    numbered = tuple(f"class {index}" for index in range(num_classes))
    return LabelSpec.from_names(known.get(num_classes, numbered))
