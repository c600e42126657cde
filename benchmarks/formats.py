"""Polygons to class maps and back beside pycocotools and datumaro, and memory by images.

    python benchmarks/formats.py
    python benchmarks/formats.py --peers PYTHON     # one that has datumaro; else not measured
    python benchmarks/formats.py --memory           # this again, times as they are in the file
    python benchmarks/formats.py --strokes          # Label Studio again, the rest as it is

Time: 12 images of 4096 x 4096 with 3,000 polygons in one COCO file. All ways run in turn, each
in a process of its own that counts CPU seconds from after its imports (others work on the same
machine), and the least is kept. It is checked that pycocotools paints and encodes the same.
Memory: peak resident size of a process that converts small images, in which only their number
differs. Label Studio: one class map with some thousand discs, whose file of tasks once held a
brush stroke of the size of the image for each of them.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskwright.data.conversion.convert import convert

HERE = Path(__file__).parent
RESULTS = HERE / "formats.json"
SIZE_PX, NUM_IMAGES, NUM_POLYGONS = 4096, 12, 3000
NUM_CLASSES = 8
SMALL_PX, MEMORY_IMAGES = 64, (1000, 10_000)
NUM_DISCS = 6000
EARLIER = {"seconds": 48.6, "megabytes": 92.0}
"""What this map took on the same machine at commit 5b5c33a, a stroke for each region."""

WAYS = ("maskwright", "pycocotools", "datumaro")
FORMATS = {"masks": "mask_folder", "back": "coco"}


def main() -> None:
    """Measure all, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path, help="the Python of an environment with datumaro")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="this again, times as they are")
    parser.add_argument(
        "--strokes", action="store_true", help="Label Studio, the rest as it is"
    )
    parser.add_argument("--one", nargs=3, metavar=("FORMAT", "ROOT", "OUT"))
    asked = parser.parse_args()
    if asked.one:
        converted(*asked.one)
        return
    again = asked.memory or asked.strokes
    results = json.loads(RESULTS.read_text()) if again else {}
    with tempfile.TemporaryDirectory() as folder:
        if not again:
            results["rounds"] = asked.rounds
            results["seconds"] = times(Path(folder), asked.peers, asked.rounds)
        if not asked.strokes:
            results["memory"] = memory(Path(folder))
        results["strokes"] = strokes(Path(folder))
    if not asked.strokes:
        results |= {"date": datetime.now(UTC).date().isoformat(), "machine": machine()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "formats.md").write_text(table(results))
    print(table(results))


def converted(to: str, root: str, out: str) -> None:
    """Convert, and print seconds and the peak of memory in MiB."""
    started_s = time.process_time()
    convert(root, out, to=to)
    print(time.process_time() - started_s, peak_mib())


def peak_mib() -> int:
    """Of this program alone: `ru_maxrss` begins with the size of what started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(s.split()[1]) for s in lines if s.startswith("VmHWM")) // 1024


def times(folder: Path, peers: Path | None, rounds: int) -> dict[str, dict[str, float | None]]:
    """Least seconds by direction and way; None where a peer is not there."""
    rng = np.random.default_rng(0)
    source = folder / "coco"
    paint_coco(source, rng, NUM_IMAGES, NUM_POLYGONS // NUM_IMAGES, SIZE_PX)
    found: dict[str, dict[str, float | None]] = {what: dict.fromkeys(WAYS) for what in FORMATS}
    for number in range(rounds):
        for way in WAYS:
            if way == "datumaro" and peers is None:
                continue
            python = Path(sys.executable) if way != "datumaro" else peers
            root = source
            for what, seconds in found.items():
                out = folder / f"{way}-{what}-{number}"
                taken_s = seconds_of(way, what, [str(python)], root, out)
                seconds[way] = min(taken_s, seconds[way] or np.inf)
                root = out if way == "datumaro" else folder / f"maskwright-masks-{number}"
        check(folder, number)
        for path in folder.glob(f"*-{number}"):
            if number < rounds - 1:
                shutil.rmtree(path)
    return found


def seconds_of(way: str, what: str, python: list[str], root: Path, out: Path) -> float:
    """One way, once."""
    if way == "maskwright":
        command = [*python, __file__, "--one", FORMATS[what], str(root), str(out)]
    else:
        script = str(HERE / "format_peers.py")
        command = [*python, script, f"{way}-{what}", str(root), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1].split()[0])


def check(folder: Path, number: int) -> None:
    """Class maps are equal, and the regions that are written have equal area and runs."""
    for path in sorted((folder / f"pycocotools-masks-{number}").glob("*.png")):
        ours = folder / f"maskwright-masks-{number}/masks/train" / path.name
        np.testing.assert_array_equal(np.array(Image.open(ours)), np.array(Image.open(path)))
    written = (
        json.loads((folder / name).read_text())
        for name in (
            f"maskwright-back-{number}/annotations/instances_train.json",
            f"pycocotools-back-{number}/instances.json",
        )
    )
    ours, theirs = (regions(document) for document in written)
    if ours != theirs:
        raise SystemExit(f"{len(ours ^ theirs)} regions differ from those of pycocotools")


def regions(document: dict) -> set[tuple[str, str, int, tuple[float, ...]]]:
    """Image, runs, area and box of each annotation."""
    name_of = {image["id"]: image["file_name"] for image in document["images"]}
    return {
        (name_of[a["image_id"]], a["segmentation"]["counts"], a["area"], tuple(a["bbox"]))
        for a in document["annotations"]
    }


def memory(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Seconds and peak MiB by direction and number of images."""
    found: dict[str, dict[str, list[float]]] = {what: {} for what in FORMATS}
    for num in MEMORY_IMAGES:
        root = folder / f"small-{num}"
        paint_coco(root, np.random.default_rng(0), num, 5, SMALL_PX)
        for what, by_number in found.items():
            out = folder / f"small-{what}-{num}"
            command = [sys.executable, __file__, "--one", FORMATS[what], str(root), str(out)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            by_number[str(num)] = [float(value) for value in done.stdout.split()]
            root = out
    return found


def strokes(folder: Path) -> dict[str, float]:
    """Seconds, megabytes of the file of tasks, and regions of one map for Label Studio."""
    root, rng = folder / "discs", np.random.default_rng(0)
    labels_HW = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    for _ in range(NUM_DISCS):
        center = rng.integers(0, SIZE_PX, 2).tolist()
        cv2.circle(labels_HW, center, int(rng.integers(4, 26)), int(rng.integers(1, 7)), -1)
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
        Image.fromarray(labels_HW).save(root / name / "a.png")
    listed = ", ".join(f"{{name: c{index}, kind: thing}}" for index in range(1, 7))
    (root / "dataset.yaml").write_text(f"classes: [{{name: background}}, {listed}]\n")
    out = folder / "strokes"
    command = [sys.executable, __file__, "--one", "label_studio", str(root), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    inside = ((labels_HW == value).astype(np.uint8) for value in range(1, 7))
    num_regions = sum(cv2.connectedComponents(mask_HW)[0] - 1 for mask_HW in inside)
    return {
        "regions": num_regions,
        "seconds": float(done.stdout.split()[0]),
        "megabytes": (out / "export.json").stat().st_size / 1e6,
    }


def paint_coco(
    root: Path, rng: np.random.Generator, num_images: int, num_polygons: int, size_px: int
) -> None:
    """One black picture under many names, and smooth blobs of 12 to 60 corners as things."""
    (root / "images/train").mkdir(parents=True)
    (root / "annotations").mkdir()
    images, annotations = [], []
    first = root / "images/train/00000.png"
    cv2.imwrite(str(first), np.zeros((size_px, size_px, 3), np.uint8))
    for number in range(num_images):
        name = f"{number:05}.png"
        if number:
            (root / "images/train" / name).hardlink_to(first)
        image = {"id": number + 1, "file_name": name, "height": size_px, "width": size_px}
        images.append(image)
        for _ in range(num_polygons):
            ring = blob(rng, size_px)
            low, high = ring.min(axis=0), ring.max(axis=0)
            annotation = {
                "id": len(annotations) + 1,
                "image_id": number + 1,
                "category_id": int(rng.integers(1, NUM_CLASSES)),
                "iscrowd": 0,
                "area": 0,
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "segmentation": [ring.ravel().round(2).tolist()],
            }
            annotations.append(annotation)
    categories = [{"id": n, "name": f"c{n}"} for n in range(1, NUM_CLASSES)]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (root / "annotations/instances_train.json").write_text(json.dumps(document))


def blob(rng: np.random.Generator, size_px: int) -> NDArray[np.float64]:
    """Corners x, y around a centre anywhere in the image."""
    angle = np.linspace(0, 2 * np.pi, int(rng.integers(12, 61)), endpoint=False)
    ripple = 1 + 0.3 * np.sin(3 * angle + rng.random() * 6) + 0.1 * rng.random(len(angle))
    radius = size_px * np.exp(rng.uniform(np.log(0.01), np.log(0.1))) * ripple
    around = radius[:, None] * np.column_stack((np.cos(angle), np.sin(angle)))
    ring: NDArray[np.float64] = rng.random(2) * size_px + around
    return ring.clip(0, size_px)


def machine() -> str:
    """What ran this."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((s.partition(": ")[2] for s in lines if s.startswith("model name")), "")
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores, {name or platform.machine()}, Python {platform.python_version()}"


def table(results: dict) -> str:
    """The page."""
    rows = []
    for way in WAYS:
        cells = [results["seconds"][what][way] for what in FORMATS]
        ours = [results["seconds"][what]["maskwright"] for what in FORMATS]
        shown = [
            "not measured | " if cell is None else f"{cell:.1f} | {cell / own:.1f}"
            for cell, own in zip(cells, ours, strict=True)
        ]
        rows.append(f"| {way} | {' | '.join(shown)} |")
    peaks = [
        f"| {FORMATS[what]} | "
        + " | ".join(f"{mib:.0f} | {seconds:.1f}" for seconds, mib in by.values())
        + " |"
        for what, by in results["memory"].items()
    ]
    images = " | ".join(f"{n:,} images, MiB | seconds" for n in MEMORY_IMAGES)
    lines = "\n".join(rows), "\n".join(peaks)
    found = results["strokes"]
    return f"""# COCO to class maps and back

`python benchmarks/formats.py --peers PYTHON`; {results["date"]}, {results["machine"]}.

{NUM_IMAGES} images of {SIZE_PX} x {SIZE_PX} with {NUM_POLYGONS:,} polygons in all.
CPU seconds, least of {results["rounds"]}. maskwright's include copying the images and the
account of losses; the others write labels alone. Its maps and run lengths are pycocotools'.

| way | to masks, s | times ours | back to COCO, s | times ours |
|---|---|---|---|---|
{lines[0]}

Peak memory of a process that converts images of {SMALL_PX} x {SMALL_PX} with 5 polygons each.

| to | {images} |
|---|{"---|---|" * len(MEMORY_IMAGES)}
{lines[1]}

One class map of {SIZE_PX} x {SIZE_PX} with {found["regions"]:,} regions, to Label Studio.

| written as | CPU seconds | file of tasks, MB |
|---|---|---|
| one brush stroke for each class | {found["seconds"]:.1f} | {found["megabytes"]:.1f} |
| one for each region, as before 2026-11-29 | {EARLIER["seconds"]} | {EARLIER["megabytes"]} |
"""


if __name__ == "__main__":
    main()
