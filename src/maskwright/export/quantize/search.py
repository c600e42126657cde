"""Search for a graph of int8 that keeps the score: ranges first, then layers left in float."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...core.card import ModelCard
from ...core.errors import BundleError
from ...core.graph import Quality
from ...core.progress import Progress
from ...inference.engine import Engine
from ...inference.parity import Planes
from ...pages.bars import draw_bars
from ...pages.text import text_table
from ..quality import QualityTest
from .onnxmodule import OnnxModule
from .qat import DrawImage, QatOptions, train_graph
from .qdq import METHODS, FloatGraph, Method

MAX_DROP_POINTS = 1.0
_MAX_FLOAT_SHARE = 0.5
"""A graph with more of its layers in float than this is not worth its int8."""
_NUM_JUDGED = 2
_MOST_PX = 256
"""Images, and their largest side, on which the sensitivity of single layers is measured."""
_MOST_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Network inputs that ranges come from, their keys, and the classes in none of them.

    `draw` gives any training image.
    """

    inputs_CHW: Sequence[Planes]
    keys: tuple[str, ...]
    missing: tuple[str, ...]
    draw: DrawImage


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One graph that was tried: the method of its ranges, and its layers in float.

    `trained_steps` are those of quantisation-aware training, from these ranges.
    """

    method: Method
    keep_float: tuple[str, ...]
    quality: Quality
    trained_steps: int = 0

    def __str__(self) -> str:
        kept = f", {len(self.keep_float)} layers in float" if self.keep_float else ""
        kept += f", trained for {self.trained_steps} steps" if self.trained_steps else ""
        drop = self.quality.drop_points
        return f"int8 {self.method}{kept}: {self.quality}, {drop:+.2f} points lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPath:
    """What was tried, the last step chosen, and the sensitivity of each layer.

    The sensitivity is the error of the logits where this layer alone is in int8: their root
    mean square difference as a share of the root mean square of the logits.
    """

    steps: tuple[Step, ...]
    sensitivity: Mapping[str, float]
    calibration: "Calibration"

    def to_text(self) -> str:
        """A JSON document."""
        document = {
            "calibration_images": list(self.calibration.keys),
            "missing_classes": list(self.calibration.missing),
            "steps": [
                {
                    "method": step.method,
                    "keep_float": list(step.keep_float),
                    "trained_steps": step.trained_steps,
                    "graph_miou": step.quality.graph_miou,
                    "network_miou": step.quality.network_miou,
                }
                for step in self.steps
            ],
            "sensitivity": dict(self.sensitivity),
        }
        return json.dumps(document, indent=1) + "\n"

    def draw(self) -> str:
        """The sensitivity of the layers as an SVG file, those left in float marked."""
        kept = set(self.steps[-1].keep_float)
        rows = [
            (f"{name} (float)" if name in kept else name, value, f"{100 * value:.2f} %")
            for name, value in self.sensitivity.items()
        ]
        return draw_bars("Error of the logits with this layer alone in int8", rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Search:
    """Tries graphs of int8 until one loses at most `max_drop_points` of mIoU.

    `run` makes the engine of a graph. `qat` trains a graph that loses more, for so long, to say
    what `network` says, before layers are left in float; None does not.
    """

    card: ModelCard
    quality: QualityTest
    run: Callable[[Path], Engine]
    max_drop_points: float
    network: Engine
    qat: QatOptions | None
    progress: Progress
    log: Callable[[str], None]

    def search(self, graph: FloatGraph, calibration: Calibration, out: Path) -> SearchPath:
        """Write the first graph that holds the score to `out`.

        Raises:
            BundleError: None does; the message has the path.
        """
        inputs_CHW = calibration.inputs_CHW
        self.log(_describe(calibration))
        steps: list[Step] = []
        ranges: dict[Method, Any] = {}
        for method in METHODS:
            shown = self.progress(
                inputs_CHW, total=len(inputs_CHW), what=f"calibrating by {method}"
            )
            ranges[method] = graph.measure_ranges(shown, method)
            steps.append(self._try(graph, ranges[method], method, (), out))
            if self._holds(steps[-1]):
                break
        best = min(steps, key=lambda step: step.quality.drop_points).method
        sensitivity = self._measure(graph, ranges[best], inputs_CHW, out)
        if self.qat is not None and not self._holds(steps[-1]):
            steps.append(self._train(graph, ranges[best], best, calibration.draw, out))
        for keep_float in _grow(sensitivity):
            if self._holds(steps[-1]):
                break
            steps.append(self._try(graph, ranges[best], best, keep_float, out))
        if not self._holds(steps[-1]):
            raise BundleError(self._refuse(steps))
        return SearchPath(
            steps=tuple(steps),
            sensitivity=sensitivity,
            calibration=calibration,
        )

    def _holds(self, step: Step) -> bool:
        return step.quality.drop_points <= self.max_drop_points

    def _try(
        self,
        graph: FloatGraph,
        ranges: Any,
        method: Method,
        keep_float: tuple[str, ...],
        out: Path,
    ) -> Step:
        graph.quantize(ranges, out, keep_float=keep_float)
        what = f"int8 {method}"
        quality = self.quality.score(self.run(out), what=what)
        step = Step(method=method, keep_float=keep_float, quality=quality)
        self.log(str(step))
        return step

    def _train(
        self, graph: FloatGraph, ranges: Any, method: Method, draw: DrawImage, out: Path
    ) -> Step:
        """Train the graph with all layers in int8, as the ranges make it."""
        graph.quantize(ranges, out)
        module = OnnxModule(out, graph.path)
        options = cast("QatOptions", self.qat)
        num_steps = train_graph(module, self.network, draw, options, self.progress)
        module.write(out)
        quality = self.quality.score(self.run(out), what="int8 trained")
        step = Step(method=method, keep_float=(), quality=quality, trained_steps=num_steps)
        self.log(str(step))
        return step

    def _measure(
        self, graph: FloatGraph, ranges: Any, inputs_CHW: Sequence[Planes], out: Path
    ) -> dict[str, float]:
        """The sensitivity of each layer, the largest first."""
        most = _MOST_PX if self.network.size_HW is None else None  # which takes no crops
        judged = [x_CHW[:, :most, :most] for x_CHW in inputs_CHW[:_NUM_JUDGED]]
        expected = [self.run(graph.path)(x_CHW[None]) for x_CHW in judged]
        found: dict[str, float] = {}
        trial = out.with_name("trial.onnx")
        total = len(graph.layers)
        for layer in self.progress(graph.layers, total=total, what="sensitivity of layers"):
            others = [name for name in graph.layers if name != layer]
            graph.quantize(ranges, trial, keep_float=others)
            engine = self.run(trial)
            ratios = [
                np.sqrt(np.mean((engine(x[None]) - y) ** 2) / max(np.mean(y**2), 1e-12))
                for x, y in zip(judged, expected, strict=True)
            ]
            found[layer] = float(np.mean(ratios))
        trial.unlink()
        ranked = dict(sorted(found.items(), key=lambda item: -item[1]))
        rows = [(name, f"{100 * value:.2f} %") for name, value in ranked.items()][:_MOST_SHOWN]
        title = f"the {len(rows)} most sensitive of {len(ranked)} layers"
        for line in text_table((title, "error alone in int8"), rows, words=(0,)):
            self.log(line)
        return ranked

    def _refuse(self, steps: Sequence[Step]) -> str:
        tried = "; ".join(str(step) for step in steps)
        return (
            f"no graph of int8 loses at most {self.max_drop_points:g} points of mIoU with half "
            f"of its layers in int8: {tried}; nothing was written: train it by --qat 5m or "
            f"longer, allow more by --max-drop, or use precision fp16 or fp32"
        )


def _describe(calibration: Calibration) -> str:
    lacks = ", ".join(calibration.missing)
    return f"calibrating on {len(calibration.keys)} images" + (
        f"; none of them shows {lacks}" if lacks else ", which show all classes"
    )


def _grow(sensitivity: Mapping[str, float]) -> list[tuple[str, ...]]:
    """The most sensitive layer, the two, four, ... most sensitive ones, up to half of all."""
    layers, sets, count = tuple(sensitivity), [], 1
    most = int(len(layers) * _MAX_FLOAT_SHARE)
    while count < most:
        sets.append(layers[:count])
        count *= 2
    return [*sets, layers[:most]] if most else sets
