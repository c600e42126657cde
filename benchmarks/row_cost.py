"""What the row of an image takes beside the engine that predicts it: writes row_cost.md.

    python benchmarks/row_cost.py --image PHOTO [--num 80] [BUNDLE ...]

A photograph is asked for as a server is asked, with its row and without, in turns with the
bare engine on a prepared image; CPU time of the thread that works on the request, medians. One
more network is Fast-SCNN with 19 classes and random weights.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import serving
from maskwright.core.atomic import write_text
from maskwright.core.bundle import Bundle, open_bundle
from maskwright.core.memory import keep_freed_memory
from maskwright.inference.engine import EngineOptions
from maskwright.inference.predictor import open_model
from maskwright.inference.strategy import prepare_input
from maskwright.serving.messages import Task
from maskwright.serving.modelprocess.observing import Sampled, note_prediction
from maskwright.serving.modelprocess.process import ModelChoice, open_session

HEAD = (
    "| network | image | its input | classes in the map | engine ms | request ms | row ms "
    "| row / engine | warm ms |"
)
NOTES = "\n## Notes\n"
"""What stands below is written by hand, and stays."""


@dataclass(frozen=True, slots=True)
class Times:
    """Medians in ms, the size of the network's input, and the classes in the class map."""

    input_hw: tuple[int, int]
    num_classes: int
    engine: float
    without: float
    row: float
    warm: float


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, nargs="*")
    parser.add_argument("--image", type=Path, required=True, help="a photograph")
    parser.add_argument("--num", type=int, default=80, help="requests of each size")
    asked = parser.parse_args()
    keep_freed_memory()
    photo_HWC = np.asarray(Image.open(asked.image).convert("RGB"))
    with tempfile.TemporaryDirectory() as folder:
        bundles = [serving.make_bundle(Path(folder)), *map(open_bundle, asked.bundles)]
        rows = [
            _format(bundle, size_HW, _measure(bundle, photo_HWC, size_HW, asked.num))
            for bundle in bundles
            for size_HW in serving.SIZES
        ]
    _write_page(rows, asked.num)


def _write_page(rows: Sequence[str], num: int) -> None:
    page = serving.HERE / "row_cost.md"
    _, mark, notes = page.read_text().partition(NOTES) if page.exists() else ("", "", "")
    lines = [
        "# The row of an image beside its engine",
        "",
        "`benchmarks/row_cost.py`: CPU time of one thread of an AMD EPYC, medians of",
        f"{num} requests: the bare engine on a prepared image, what the rest of a request for",
        "run lengths takes without a row, and how much more it takes with one. In turns, so",
        "the engine has filled the caches. `warm` is the row alone, again and again. Beside",
        "that, the process of the server writes the row (0.4 ms).",
        "",
        HEAD,
        "|---" * 9 + "|",
        *rows,
    ]
    write_text(page, "\n".join(lines) + "\n" + mark + notes)


def _measure(
    bundle: Bundle, photo_HWC: np.ndarray, size_HW: tuple[int, int], num: int
) -> Times:
    image_HWC = cv2.resize(photo_HWC, size_HW[::-1], interpolation=cv2.INTER_LINEAR)
    options = EngineOptions(threads=1)
    model = open_model(bundle.root, engine="onnxruntime", options=options)
    choice = ModelChoice(
        path=str(bundle.root),
        name="m",
        version="1",
        engine="onnxruntime",
        threads=1,
        warm=(size_HW,),
    )
    session, card = open_session(choice), model.card
    x_BCHW = prepare_input(model.engine, card, image_HWC, where="x").x_CHW[None]
    body = cv2.imencode(".png", image_HWC[..., ::-1])[1].tobytes()
    num_px = size_HW[0] * size_HW[1]
    task = Task(id=0, suffix=".png", num_px=num_px, name="x", form="json")

    def ask(*, observe: bool) -> None:
        outcome = session.run(replace(task, observe=observe), body, lambda: False)
        if outcome.status != 200:
            raise RuntimeError(outcome.error)

    engine, with_row, without = _time(
        [lambda: model.engine(x_BCHW), lambda: ask(observe=True), lambda: ask(observe=False)],
        num,
    )
    logits, prediction = model.logits(image_HWC), model.predict(image_HWC)

    def measure_row() -> None:
        sampled = Sampled.of_logits(logits, card.temperature)
        note_prediction(prediction, sampled, card.input, None)

    (warm,) = _time([measure_row], num)
    num_classes = len(np.unique(prediction.labels_HW))
    return Times(x_BCHW.shape[2:], num_classes, engine, without, with_row - without, warm)


def _time(steps: Sequence[Callable[[], object]], num: int) -> list[float]:
    """The median CPU time of each step in ms; the steps take turns."""
    times: list[list[float]] = [[] for _ in steps]
    for _ in range(num):
        for step, taken in zip(steps, times, strict=True):
            began_s = time.thread_time()
            step()
            taken.append(1000 * (time.thread_time() - began_s))
    return [statistics.median(taken) for taken in times]


def _format(bundle: Bundle, size_HW: tuple[int, int], times: Times) -> str:
    arch = bundle.card.arch
    cells = [
        arch.name if arch.encoder == "own" else f"{arch.name}, {arch.encoder}",
        f"{size_HW[0]} x {size_HW[1]}",
        "{} x {}".format(*times.input_hw),
        f"{times.num_classes} of {len(bundle.card.labels)}",
        f"{times.engine:.1f}",
        f"{times.without:.1f}",
        f"{times.row:.2f}",
        f"{times.row / times.engine:.1%}",
        f"{times.warm:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
