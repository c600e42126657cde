"""`score` against decoding alone, and its memory at 50 to 5,000 images; for scores_disk.md.

    python benchmarks/scores_disk.py

Time: 500 pairs of 1024 x 2048 PNG files, drawn here, 11 classes. The peer is the least that any
scorer must do: decoding the 1,000 files into arrays, on as many threads, by Pillow and OpenCV.
All alternate in one run; the table has the fastest of each. Memory: peak resident size of a
fresh process each, with intervals and slices, in which only the number of images differs.
"""

import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from maskwright.core import InputSpec, LabelSpec
from maskwright.core.bundle import GRAPH, WEIGHTS, write_bundle
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.graph import Graph
from maskwright.data.dataset import open_dataset
from maskwright.evaluation.counting import REGIONS_ONLY
from maskwright.evaluation.evaluate import FULL, evaluate
from maskwright.evaluation.report.page import write_report
from maskwright.evaluation.score import ScoreOptions, score
from maskwright.inference.predictor import open_model

HERE = Path(__file__).parent
NUM_CLASSES = 11
NUM_PAIRS = 500
ROUNDS = 3
MEMORY_IMAGES = (50, 500, 5000)
SIZE_HW = (1024, 2048)
SMALL_HW = (256, 512)


def main() -> None:
    """Measure both, or be one of the processes whose memory is measured."""
    if len(sys.argv) > 1:
        {"score": score_some, "evaluate": evaluate_some}[sys.argv[1]](Path(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        results = {"machine": machine(), "time": times(Path(folder) / "time")}
        results["memory_mib"] = memory(Path(folder) / "memory")
    (HERE / "scores_disk.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "scores_disk.md").write_text(table(results))
    print(table(results))


def times(root: Path) -> dict[str, float]:
    """Seconds for decoding alone, for `score`, and for `score --full`."""
    paint_pairs(root, NUM_PAIRS, SIZE_HW)
    files = [*sorted((root / "truth").glob("*.png")), *sorted((root / "said").glob("*.png"))]
    folders = root / "said", root / "truth"
    options = ScoreOptions(spec=root / "dataset.yaml")
    work = {
        "decoding alone, Pillow": lambda: decode_all(
            files, lambda f: np.asarray(Image.open(f))
        ),
        "decoding alone, OpenCV": lambda: decode_all(files, opencv),
        "score": lambda: score(*folders, options=options, detail=REGIONS_ONLY),
        "score --full": lambda: score(*folders, options=options, detail=FULL),
    }
    seconds = {name: float("inf") for name in work}
    for _ in range(ROUNDS):
        for name, run in work.items():
            started_s = time.perf_counter()
            run()
            seconds[name] = min(seconds[name], time.perf_counter() - started_s)
    return seconds


def decode_all(files: list[Path], decode: Callable[[Path], np.ndarray]) -> None:
    """Every file into an array, on all cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(lambda file: decode(file).shape, files):
            pass


def pillow(file: Path) -> np.ndarray:
    """The pixels as they are stored."""
    return np.asarray(Image.open(file))


def opencv(file: Path) -> np.ndarray:
    """The pixels as they are stored."""
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)


def memory(root: Path) -> dict[str, dict[str, int]]:
    """Peak MiB of `score --full` and `evaluate` by number of images."""
    found: dict[str, dict[str, int]] = {"score --full": {}, "evaluate": {}}
    for num in MEMORY_IMAGES:
        folder = root / str(num)
        paint_pairs(folder, num, SMALL_HW)
        paint_dataset(folder, num)
        for name, peak_mib in found.items():
            command = [sys.executable, __file__, name.split()[0], str(folder)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peak_mib[str(num)] = int(done.stdout.split()[-1])
        shutil.rmtree(folder)
    return found


def score_some(root: Path) -> None:
    """Score with every family, intervals and slices, and write the report."""
    options = ScoreOptions(spec=root / "dataset.yaml", attributes=root / "attributes.csv")
    write_report(
        score(root / "said", root / "truth", options=options, detail=FULL), root / "out"
    )


def evaluate_some(root: Path) -> None:
    """The same through a model that reads the class off the first channel."""
    model, dataset = open_model(root / "bundle"), open_dataset(root / "data")
    report = evaluate(model, dataset, attributes=root / "attributes.csv")
    write_report(report, root / "out")


def paint_pairs(root: Path, num: int, size_HW: tuple[int, int]) -> None:
    """Truth of smooth regions and a prediction with ragged borders; 20 different pairs."""
    rng = np.random.default_rng(0)
    for kind in ("truth", "said"):
        (root / kind).mkdir(parents=True)
    for number in range(num):
        name = f"{number:05}.png"
        if number < 20:
            truth = painted(rng, size_HW)
            said = cv2.medianBlur(truth, 9)
            said[said == 255] = 0
            cv2.imwrite(str(root / "truth" / name), truth)
            cv2.imwrite(str(root / "said" / name), said)
            continue
        for kind in ("truth", "said"):
            (root / kind / name).hardlink_to(root / kind / f"{number % 20:05}.png")
    names = ", ".join(f"{{name: c{i}}}" for i in range(NUM_CLASSES))
    (root / "dataset.yaml").write_text(f"classes: [{names}]\ncodec: {{pixels: index}}\n")
    rows = "".join(f"{n:05},{('sun', 'rain', 'fog')[n % 3]}\n" for n in range(num))
    (root / "attributes.csv").write_text(f"key,weather\n{rows}")


def painted(rng: np.random.Generator, size_HW: tuple[int, int]) -> np.ndarray:
    """Classes by the level of a smooth random field, with small objects and some IGNORE."""
    coarse = rng.random((size_HW[0] // 64, size_HW[1] // 64)).astype(np.float32)
    field = cv2.resize(coarse, size_HW[::-1], interpolation=cv2.INTER_CUBIC)
    labels = np.clip(field * (NUM_CLASSES - 2), 0, NUM_CLASSES - 2).astype(np.uint8)
    for _ in range(60):
        center = rng.integers(0, size_HW[1]), rng.integers(0, size_HW[0])
        cv2.circle(
            labels, tuple(map(int, center)), int(rng.integers(2, 20)), NUM_CLASSES - 1, -1
        )
    labels[-size_HW[0] // 20 :] = 255
    return labels


def paint_dataset(root: Path, num: int) -> None:
    """A dataset whose images show the classes as grey levels, and a Bundle that reads them."""
    for kind in ("images", "masks"):
        (root / "data" / kind / "test").mkdir(parents=True)
    for number in range(num):
        name = f"{number:05}.png"
        (root / "data/masks/test" / name).hardlink_to(root / "truth" / name)
        grey = root / "data/images/test" / name
        if number < 20:
            said = np.asarray(Image.open(root / "said" / name))
            Image.fromarray(np.repeat(said[..., None], 3, axis=2)).save(grey)
        else:
            grey.hardlink_to(grey.with_name(f"{number % 20:05}.png"))
    shutil.copy(root / "dataset.yaml", root / "data/dataset.yaml")
    labels = LabelSpec.from_names(tuple(f"c{i}" for i in range(NUM_CLASSES)))
    spec = InputSpec(
        channels=3, mean=(0.0,) * 3, std=(1.0,) * 3, max_value=255, scale_ratio=1.0
    )
    card = ModelCard(labels=labels, input=spec, arch=ArchSpec(name="painted", encoder="none"))
    (root / "graph.onnx").write_bytes(reading_graph())
    (root / "weights").write_bytes(b"no network reads these")
    files = {GRAPH: root / "graph.onnx", WEIGHTS: root / "weights"}
    write_bundle(root / "bundle", card, files, graphs=[Graph(file=GRAPH, engine="onnxruntime")])


def reading_graph() -> bytes:
    """-(x - k)^2 has the order of 2 k x - k^2, which a 1 x 1 convolution says."""
    from onnx import TensorProto, helper, numpy_helper

    index = np.arange(NUM_CLASSES, dtype=np.float32)
    weight = np.zeros((NUM_CLASSES, 3, 1, 1), np.float32)
    weight[:, 0, 0, 0] = 2 * index * 255
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight", "bias"], ["logits"])],
        "painted",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 3, "H", "W"])],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["B", NUM_CLASSES, "H", "W"]
            )
        ],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(-(index**2), "bias"),
        ],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def machine() -> str:
    """What ran this."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), ""
    )
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {name or platform.machine()}, Python {platform.python_version()}"


def table(results: dict) -> str:
    """The page."""
    alone = min(s for name, s in results["time"].items() if name.startswith("decoding"))
    rows = [f"| {n} | {s:.2f} | {s / alone:.2f} |" for n, s in results["time"].items()]
    peaks = [
        f"| {name} | " + " | ".join(str(mib) for mib in by.values()) + " |"
        for name, by in results["memory_mib"].items()
    ]
    images = " | ".join(f"{num} images" for num in MEMORY_IMAGES)
    lines = "\n".join(rows), "\n".join(peaks)
    return f"""# Scoring files on disk

`python benchmarks/scores_disk.py`; {results["machine"]}.

{NUM_PAIRS} pairs of {SIZE_HW[0]} x {SIZE_HW[1]} PNG files, {NUM_CLASSES} classes, fastest of
{ROUNDS}. All on as many threads as cores; ratios to the faster way of decoding alone.

| what | seconds | ratio |
|---|---|---|
{lines[0]}

Peak memory in MiB, {SMALL_HW[0]} x {SMALL_HW[1]} px, with all scores, intervals and slices.

| what | {images} |
|---|{"---|" * len(MEMORY_IMAGES)}
{lines[1]}
"""


if __name__ == "__main__":
    main()
