"""What the row of an image takes beside the engine that predicts it: writes row_cost.md.

    python benchmarks/row_cost.py [--num 60] [--bundle BUNDLE ...]

Fast-SCNN with 19 classes and random weights, and other Bundles where they are given. In one
process with one thread the engine runs a prepared image and the row of it is measured, as the
process of a model does, in turns; CPU time, medians.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2

import serving
from maskwright.core.atomic import write_text
from maskwright.core.bundle import Bundle, open_bundle
from maskwright.core.memory import keep_freed_memory
from maskwright.inference.engine import EngineOptions
from maskwright.inference.predictor import open_model
from maskwright.inference.strategy import prepare_input
from maskwright.serving.modelprocess.observing import Sampled, note_prediction

HEAD = (
    "| network | size | engine ms | shares at few pixels ms | numbers ms | row / engine | "
    "warm ms | warm / engine |"
)


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=60, help="images of each size")
    parser.add_argument("--bundle", type=Path, action="append", default=[])
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        bundles = [serving.make_bundle(Path(folder)), *map(open_bundle, asked.bundle)]
        rows = [_measure(b, size, asked.num) for b in bundles for size in serving.SIZES]
    lines = [
        "# The row of an image beside its engine",
        "",
        "`benchmarks/row_cost.py`: CPU time of one thread of an AMD EPYC, medians of",
        f"{asked.num} images: the engine on a prepared image, the shares of all classes at the",
        "few pixels that are measured, and all numbers of a row. In turns, as in a server:",
        "each step finds the caches full of the data of the others. `warm` is the row alone,",
        "again and again. Beside that, a row is written in the process of the server (0.4 ms).",
        "",
        HEAD,
        "|---" * 8 + "|",
        *rows,
    ]
    write_text(serving.HERE / "row_cost.md", "\n".join(lines) + "\n")


def _measure(bundle: Bundle, size_HW: tuple[int, int], num: int) -> str:
    model = open_model(bundle.root, engine="onnxruntime", options=EngineOptions(threads=1))
    image_HWC, card = serving.draw_image(size_HW), model.card
    x_BCHW = prepare_input(model.engine, card, image_HWC, where="x").x_CHW[None]
    logits, prediction = model.logits(image_HWC), model.predict(image_HWC)
    sampled = Sampled.of_logits(logits, card.temperature)
    steps: list[Callable[[], object]] = [
        lambda: model.engine(x_BCHW),
        lambda: Sampled.of_logits(logits, card.temperature),
        lambda: note_prediction(prediction, sampled, card.input, None),
    ]
    engine, shares, numbers = _time(steps, num)
    warm = sum(_time([step], num)[0] for step in steps[1:])
    arch = card.arch
    cells = [
        arch.name if arch.encoder == "own" else f"{arch.name}, {arch.encoder}",
        f"{size_HW[0]} x {size_HW[1]}",
        f"{engine:.1f}",
        f"{shares:.2f}",
        f"{numbers:.2f}",
        f"{(shares + numbers) / engine:.1%}",
        f"{warm:.2f}",
        f"{warm / engine:.1%}",
    ]
    return f"| {' | '.join(cells)} |"


def _time(steps: list[Callable[[], object]], num: int) -> list[float]:
    """The median CPU time of each step in ms; the steps take turns."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(num):
        for step, taken in zip(steps, times, strict=True):
            began_s = time.thread_time()
            step()
            taken.append(1000 * (time.thread_time() - began_s))
    return [statistics.median(taken) for taken in times]


if __name__ == "__main__":
    main()
