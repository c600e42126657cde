"""Graph: a file of a Bundle that an engine runs, and how closely it agrees with the network."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from .errors import BundleError

LOGITS = "logits"
FEATURES = "features"
"""Means of the last features of the encoder over the image, at most 64: (B, D) float32."""

LABELS = "labels"
"""The class of each pixel, of a graph that decides by itself: (B, H, W) uint8."""

_OUTPUTS = ((LOGITS,), (LOGITS, FEATURES), (LABELS,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far the logits of a graph may be from those of the network.

    `logit_ratio` is the largest difference, as a share of the largest logit: float32 sums in
    another order differ by about 1e-5. `equal_pixel_share` is the least share of pixels, 0..1,
    for which both decide on the same class.
    """

    logit_ratio: float = 1e-3
    equal_pixel_share: float = 0.999


BF16_TOLERANCE = Tolerance(logit_ratio=0.2, equal_pixel_share=0.97)
INT8_TOLERANCE = Tolerance(logit_ratio=1.0, equal_pixel_share=0.9)
"""Wide: whether a graph of int8 is good enough is judged by its scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How far two engines agree; `equal_pixel_share` counts pixels of the same class."""

    num_images: int
    num_pixels: int
    largest_logit: float
    largest_logit_difference: float
    equal_pixel_share: float

    def to_json(self) -> dict[str, Any]:
        """A flat object."""
        return asdict(self)

    def require_agreement(self, tolerance: Tolerance, *, graph: str, fix: str) -> None:
        """Refuse a graph whose logits differ.

        Args:
            tolerance: Of the graph.
            graph: What the message calls the graph.
            fix: What the message says last.

        Raises:
            BundleError: The logits or the classes differ more than `tolerance` allows.
        """
        allowed = tolerance.logit_ratio * max(1.0, self.largest_logit)
        close = self.largest_logit_difference <= allowed  # False for NaN too
        if not close or self.equal_pixel_share < tolerance.equal_pixel_share:
            raise BundleError(
                f"{graph} disagrees with the network on {self.num_images} images: "
                f"logits differ by up to {self.largest_logit_difference:.3g} (allowed "
                f"{allowed:.3g}), {self.equal_pixel_share:.4%} of the pixels have the same "
                f"class (needed {tolerance.equal_pixel_share:.1%}); {fix}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Scores of the network and of a graph on the same images of a split, all in 0..1.

    `equal_pixel_share` counts pixels of the same class; `boundary_f1` is the mean over the
    classes within 0.75 % of the diagonal, None where no class has a boundary.
    """

    split: str
    num_images: int
    equal_pixel_share: float
    network_miou: float
    graph_miou: float
    network_boundary_f1: float | None
    graph_boundary_f1: float | None

    @property
    def drop_points(self) -> float:
        """By how many points, 0..100, the mIoU of the graph is lower than the network's."""
        return 100 * (self.network_miou - self.graph_miou)

    def __str__(self) -> str:
        outlines = ""
        if self.network_boundary_f1 is not None and self.graph_boundary_f1 is not None:
            pair = self.network_boundary_f1, self.graph_boundary_f1
            outlines = f", boundary F1 {100 * pair[0]:.2f} -> {100 * pair[1]:.2f}"
        return (
            f"mIoU {100 * self.network_miou:.2f} -> {100 * self.graph_miou:.2f}{outlines}, "
            f"{self.equal_pixel_share:.2%} of the pixels agree ({self.num_images} images of "
            f"{self.split})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TilingEffect:
    """The shares of pixels, 0..1, whose class changes where images are cut into tiles.

    Of all pixels, of those that lie in several tiles, and of the others.
    """

    num_images: int
    changed_share: float
    border_share: float
    interior_share: float

    def to_json(self) -> dict[str, Any]:
        """A flat object."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"on {self.num_images} validation images, tiles changed the class of "
            f"{self.changed_share:.2%} of the pixels ({self.border_share:.2%} where tiles "
            f"meet, {self.interior_share:.2%} elsewhere)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph of a Bundle.

    `engine` names the part of `inference.engines` that runs `file`. The first of `outputs` is
    `logits`, (B, K, h, w) on the grid of the card; the second, where there is one, is
    `features`. A graph that has parts of prediction `inside` (`export.inside`) is for other
    programs, no engine here takes it; with `argmax` its output is `labels`. `parity` is None
    where nobody has compared the graph with the network. `bytes_per_px` is the memory that the
    engine takes per pixel of its input, and `reach_px` half of the receptive field, both
    measured at the export; 0 where they are not known. `tiling` says by how much tiles change
    labels, and `quality` what the graph scores; both are None where that was not measured.

    Raises BundleError for other outputs.
    """

    file: str
    engine: str
    precision: str = "fp32"
    outputs: tuple[str, ...] = (LOGITS,)
    tolerance: Tolerance = field(default_factory=Tolerance)
    parity: Parity | None = None
    bytes_per_px: float = 0.0
    reach_px: int = 0
    tiling: TilingEffect | None = None
    quality: Quality | None = None
    inside: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.outputs not in _OUTPUTS:
            raise BundleError(
                f"{self.file}: a graph with the outputs {', '.join(self.outputs) or 'none'}; "
                f"expected {LOGITS}, {LOGITS} and {FEATURES}, or {LABELS}; export the model "
                f"again"
            )

    def to_json(self) -> dict[str, Any]:
        """An entry of `graphs` in the manifest; `from_json` undoes it."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Undo `to_json`; raises KeyError or TypeError where a key is missing or unknown."""
        parity, tiling = document["parity"], document.get("tiling")
        quality = document.get("quality")
        return cls(
            file=document["file"],
            engine=document["engine"],
            precision=document["precision"],
            outputs=tuple(document["outputs"]),
            tolerance=Tolerance(**document["tolerance"]),
            parity=None if parity is None else Parity(**parity),
            bytes_per_px=document.get("bytes_per_px", 0.0),
            reach_px=document.get("reach_px", 0),
            tiling=None if tiling is None else TilingEffect(**tiling),
            quality=None if quality is None else Quality(**quality),
            inside=tuple(document.get("inside", ())),
        )
