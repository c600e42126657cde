"""The section `distil` of a recipe: trained networks that a run learns from."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from maskwright.core.strictmodel import StrictModel


def _list_one(value: object) -> object:
    """[value] where `value` is one text."""
    return [value] if isinstance(value, str) else value


Weight = Annotated[float, Field(ge=0)]


class DistilOptions(StrictModel):
    """Teachers, and the weights of what is learned from them beside `loss`.

    `teachers` are Bundles, runs or checkpoints with the classes of the dataset; several are an
    ensemble. `pixels` weighs the divergence of the shares of each pixel at `temperature`,
    `classes` that of the places of each class at `classes_temperature`, `pairs` the difference
    of the likeness of places in the last features of the encoders; see `nn.distillation`.
    `unlabelled` is a folder of images without labels, from which `unlabelled_share` of the
    samples are drawn: there the teacher's class is the label where its share reaches
    `confidence`.
    """

    teachers: Annotated[tuple[str, ...], BeforeValidator(_list_one)] = ()
    pixels: Weight = 1.0
    temperature: Annotated[float, Field(gt=0)] = 2.0
    classes: Weight = 3.0
    classes_temperature: Annotated[float, Field(gt=0)] = 4.0
    pairs: Weight = 0.0
    unlabelled: str = ""
    unlabelled_share: Annotated[float, Field(ge=0, lt=1)] = 0.3
    confidence: Annotated[float, Field(ge=0, le=1)] = 0.9
