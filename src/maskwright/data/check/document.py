"""The audit as JSON: its keys and what they hold."""

from typing import TypedDict

from .findings import FindingDocument


class ClassDocument(TypedDict):
    """One class; `share` is of all labelled pixels, in [0, 1]."""

    name: str
    color: list[int]
    pixels: int
    share: float
    images: int
    images_by_split: dict[str, int]


class PairDocument(TypedDict):
    """How far two annotators agree on the images that both labelled; None is not defined."""

    annotators: list[str]
    images: int
    kappa: float | None
    dice: dict[str, float | None]


class AnnotatorsDocument(TypedDict):
    """Masks by annotator, pixels that two or more labelled, Dice by class over all pairs."""

    masks: dict[str, int]
    shared_pixels: int
    disputed_pixels: int
    dice: dict[str, float | None]
    pairs: list[PairDocument]


class AuditDocument(TypedDict):
    """What `check --json` prints; `sizes_HW` has "min", "median" and "max", or nothing."""

    schema_version: int
    dataset: str
    harmful: bool
    images: int
    splits: dict[str, int]
    sizes_HW: dict[str, list[int]]
    classes: list[ClassDocument]
    ignored_pixels: int
    findings: list[FindingDocument]
    notes: list[str]
    annotators: AnnotatorsDocument | None
