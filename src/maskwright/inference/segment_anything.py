"""Masks from clicks and boxes by two ONNX graphs of the Segment Anything family.

An encoder maps a picture to features, once for each picture; a decoder maps features and
prompts to logits of masks. The names are those of the authors' export (Kirillov et al. 2023;
`segment_anything/utils/onnx.py`), which the exports of MobileSAM and SAM 2 keep:

| graph | takes | gives |
|---|---|---|
| encoder | one picture, (1, 3, S, S) normalised or (H, W, 3) from 0 to 255 | features |
| decoder | the features and what is below | masks, iou_predictions, perhaps low_res_masks |

The decoder takes point_coords (1, N, 2), point_labels (1, N), mask_input (1, 1, h, w),
has_mask_input (1), and perhaps orig_im_size (2).

SAM scales the longer side of a picture to S and fills the rest with zeros. SAM 2, which has
several features, scales both sides to S. A label is 1 inside of the object, 0 outside, 2 and 3
at the corners of a box, and -1 at a point that stands for no box.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import BundleError, ConfigError, first_line
from .engines.onnxruntime import list_errors

Floats = NDArray[np.float32]

_SIDE_PX = 1024
"""S of a graph that does not state it."""

_MEAN = np.array((123.675, 116.28, 103.53), np.float32)
_STD = np.array((58.395, 57.12, 57.375), np.float32)
_PROMPTS = ("point_coords", "point_labels", "mask_input", "has_mask_input")
_SIZE = "orig_im_size"
_LOW, _MASKS, _IOU = "low_res_masks", "masks", "iou_predictions"
_OUTSIDE, _INSIDE, _BOX, _NO_BOX = 0, 1, (2, 3), -1
_MULTIMASK = 4
"""Masks of a graph that leaves the choice to its user: the first is for several points."""

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A click at a pixel (x, y), or with `to` a box from one corner to the other."""

    at: tuple[int, int]
    to: tuple[int, int] | None = None
    is_inside: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What the encoder found in a picture of `size_HW`, scaled to `scaled_hw` of S x S."""

    values: Mapping[str, NDArray[Any]]
    size_HW: tuple[int, int]
    scaled_hw: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class SegmentAnything:
    """An encoder and a decoder that fit together; `side_px` is S."""

    encoder: "_Graph"
    decoder: "_Graph"
    side_px: int
    keeps_aspect: bool

    def encode(self, picture_HW3: NDArray[np.uint8]) -> Features:
        """The features of a picture.

        Raises:
            BundleError: The encoder fails.
        """
        height, width = picture_HW3.shape[:2]
        scale = self.side_px / max(height, width)
        scaled_hw = (
            (int(height * scale + 0.5), int(width * scale + 0.5))
            if self.keeps_aspect
            else (self.side_px, self.side_px)
        )
        scaled_hw = max(scaled_hw[0], 1), max(scaled_hw[1], 1)
        small_hw3 = cv2.resize(picture_HW3, scaled_hw[::-1], interpolation=cv2.INTER_AREA)
        ((name, rank),) = ((i.name, len(i.shape)) for i in self.encoder.inputs)
        content = small_hw3 if rank == 3 else self._normalise(np.asarray(small_hw3, np.uint8))
        return Features(self.encoder.run({name: content}), (height, width), scaled_hw)

    def _normalise(self, small_hw3: NDArray[np.uint8]) -> Floats:
        """(h, w, 3) -> (1, 3, S, S), zeros to the right and below."""
        square_SS3 = np.zeros((self.side_px, self.side_px, 3), np.float32)
        square_SS3[: small_hw3.shape[0], : small_hw3.shape[1]] = (small_hw3 - _MEAN) / _STD
        return np.ascontiguousarray(square_SS3.transpose(2, 0, 1))[None]

    def decode(
        self, features: Features, prompts: Sequence[Prompt], before_hw: Floats | None
    ) -> Floats:
        """Logits of the object that prompts mean, (h, w) of the S x S picture.

        `before_hw` are those of the prompts but the last, so that the last refines the mask.

        Raises:
            BundleError: The decoder fails, or its masks have another size than `mask_input`.
        """
        points_N2, labels_N = _list_points(prompts)
        scale_2 = np.divide(features.scaled_hw[::-1], features.size_HW[::-1])
        size_hw = self.decoder.find_size("mask_input")
        given = {
            "point_coords": (points_N2 * scale_2)[None],
            "point_labels": labels_N[None],
            "mask_input": np.zeros((1, 1, *size_hw))
            if before_hw is None
            else before_hw[None, None],
            "has_mask_input": np.array([before_hw is not None]),
            _SIZE: np.array(features.scaled_hw),
            **features.values,
        }
        found = self.decoder.run({i.name: given[i.name] for i in self.decoder.inputs})
        logits_Mhw: Floats = np.asarray(found[_LOW if _LOW in found else _MASKS], np.float32)[0]
        if logits_Mhw.shape[1:] != size_hw:
            raise BundleError(
                f"{self.decoder.file}: masks of {logits_Mhw.shape[1:]} (h, w), mask_input has "
                f"{size_hw}; export the decoder with {_LOW}"
            )
        chosen_hw: Floats = logits_Mhw[_choose_mask(found[_IOU].ravel(), len(points_N2))]
        return chosen_hw

    def enlarge(self, logits_hw: Floats, features: Features) -> Floats:
        """Logits in the size of the picture, (H, W)."""
        square = (self.side_px, self.side_px)
        large_SS = cv2.resize(logits_hw, square, interpolation=cv2.INTER_LINEAR)
        height, width = features.scaled_hw
        size = features.size_HW[::-1]
        full_HW = cv2.resize(large_SS[:height, :width], size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(full_HW, np.float32)


def _list_points(prompts: Sequence[Prompt]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Clicks, and the corners of the last box or else a point that stands for none."""
    points: list[tuple[int, int]] = []
    labels: list[int] = []
    box = None
    for prompt in prompts:
        if prompt.to is not None:
            box = np.sort([prompt.at, prompt.to], axis=0)
        else:
            points.append(prompt.at)
            labels.append(_INSIDE if prompt.is_inside else _OUTSIDE)
    corners, ends = ([(0, 0)], (_NO_BOX,)) if box is None else (box.tolist(), _BOX)
    return np.array([*points, *corners], np.float64), np.array([*labels, *ends], np.int64)


def _choose_mask(iou_M: NDArray[Any], num_points: int) -> int:
    """The mask that the decoder thinks best; `select_masks` of the authors' export."""
    score_M = iou_M.astype(np.float64)
    if len(score_M) == _MULTIMASK:
        score_M[0] += (num_points - 2.5) * 1000
    return int(score_M.argmax())


@dataclass(frozen=True, slots=True, eq=False)
class _Graph:
    file: Path
    session: Any

    @property
    def inputs(self) -> Any:
        return self.session.get_inputs()

    @property
    def input_names(self) -> list[str]:
        return [i.name for i in self.inputs]

    @property
    def output_names(self) -> list[str]:
        return [o.name for o in self.session.get_outputs()]

    def find_size(self, name: str) -> tuple[int, int]:
        """Rows and columns of an input; a quarter of S where the graph does not state them."""
        (shape,) = (i.shape for i in self.inputs if i.name == name)
        rows, columns = (n if isinstance(n, int) else _SIDE_PX // 4 for n in shape[-2:])
        return rows, columns

    def run(self, given: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """All outputs by name; inputs become of the types that the graph states.

        Raises:
            BundleError: The graph fails.
        """
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        types = {i.name: _TYPES[i.type] for i in self.inputs}
        feed = {name: np.ascontiguousarray(v, types[name]) for name, v in given.items()}
        try:
            found = self.session.run(None, feed)
        except list_errors(errors) as error:
            shapes = ", ".join(f"{name} {value.shape}" for name, value in feed.items())
            raise BundleError(
                f"{self.file}: the graph fails on {shapes}: {first_line(error)}; "
                f"export it again"
            ) from error
        return dict(zip(self.output_names, found, strict=True))


def open_segment_anything(paths: Sequence[Path]) -> SegmentAnything:
    """Open an encoder and a decoder, in any order, or a folder that has one of each.

    Raises:
        ConfigError: Not two graphs.
        BundleError: A file is not a graph, or not one of this family.
    """
    files = _list_files(paths)
    graphs = [_open_graph(file) for file in files]
    decoders = [g for g in graphs if "point_coords" in g.input_names]
    encoders = [g for g in graphs if len(g.input_names) == 1]
    if len(decoders) != 1 or len(encoders) != 1:
        listed = "; ".join(f"{g.file.name} takes {', '.join(g.input_names)}" for g in graphs)
        raise BundleError(
            f"{files[0].parent}: {listed}; expected one encoder, which takes one picture, and "
            f"one decoder, which takes point_coords"
        )
    return _match(encoders[0], decoders[0])


def _match(encoder: _Graph, decoder: _Graph) -> SegmentAnything:
    """Refuse graphs that do not fit together, with the names that are missing."""
    required = {*_PROMPTS} - {*decoder.input_names}
    missing = sorted(required | ({_MASKS, _IOU} - {*decoder.output_names}))
    if missing:
        raise BundleError(
            f"{decoder.file}: the decoder has no {', '.join(missing)}; export it with the "
            f"script of its authors"
        )
    features = [n for n in decoder.input_names if n not in (*_PROMPTS, _SIZE)]
    absent = sorted({*features} - {*encoder.output_names})
    if absent or not features:
        raise BundleError(
            f"{decoder.file}: the decoder takes {', '.join(absent) or 'no features'}, the "
            f"encoder {encoder.file.name} gives {', '.join(encoder.output_names)}; use the two "
            f"files of one export"
        )
    for graph in (encoder, decoder):
        foreign = [f"{i.name} {i.type}" for i in graph.inputs if i.type not in _TYPES]
        if foreign:
            raise BundleError(f"{graph.file}: takes {', '.join(foreign)}; export it in float32")
    side_px = _find_side(encoder)
    return SegmentAnything(encoder, decoder, side_px, keeps_aspect=len(features) == 1)


def _find_side(encoder: _Graph) -> int:
    shape = encoder.inputs[0].shape
    if len(shape) == 3 and shape[2] == 3:
        return _SIDE_PX
    sides = [n for n in shape[2:] if isinstance(n, int)]
    if len(shape) != 4 or shape[1] != 3 or len({*sides}) > 1:
        raise BundleError(
            f"{encoder.file}: takes a picture of {shape}; expected (1, 3, S, S) or (H, W, 3)"
        )
    return int(sides[0]) if sides else _SIDE_PX


def _list_files(paths: Sequence[Path]) -> list[Path]:
    if len(paths) == 1 and paths[0].is_dir():
        files = sorted(paths[0].glob("*.onnx"))
    else:
        files = [*paths]
        for file in files:
            if not file.is_file():
                raise ConfigError(f"{file}: not a file; give an encoder and a decoder as ONNX")
    if len(files) != 2:
        raise ConfigError(
            f"{paths[0]}: {len(files)} ONNX files; expected two, an encoder and a decoder"
        )
    return files


def _open_graph(file: Path) -> _Graph:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 4  # its errors are raised, not printed
    try:
        session = onnxruntime.InferenceSession(
            file, settings, providers=["CPUExecutionProvider"]
        )
    except list_errors(errors) as error:
        raise BundleError(
            f"{file}: ONNX Runtime {onnxruntime.__version__} cannot run this graph "
            f"({first_line(error)}); copy it again or export it again"
        ) from error
    return _Graph(file, session)
