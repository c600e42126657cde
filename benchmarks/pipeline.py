"""Crops per second and core of augmentation, beside other libraries; for pipeline.md.

    python benchmarks/pipeline.py
    python benchmarks/pipeline.py --albumentations PYTHON    # an interpreter that has 2.0.8

Each library runs in an own process of one thread, in turns, the same number of times; the
middle of its rounds counts. A second table is from files: an image and its mask are decoded for
each crop, or once and then kept (`training.samples.kept`).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from pipeline_peers import draw_pair, make_maskwright

from maskwright.core.sample import Sample
from maskwright.training.samples.kept import KeptSamples

HERE = Path(__file__).parent
SIZES = ((360, 480, 256), (1024, 2048, 512), (3000, 4000, 512))
"""Height and width of the source, and the side of the crop."""

TURNS = 3
NUM_FILES, NUM_CROPS = 8, 64


def main() -> None:
    """Measure all, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--albumentations", metavar="PYTHON")
    asked = parser.parse_args()
    peers = {"maskwright": sys.executable, "torchvision": sys.executable}
    if asked.albumentations:
        peers["albumentations"] = asked.albumentations
    result = {
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "crops": [measure_size(size, peers) for size in SIZES],
        "files": [measure_files(*size) for size in SIZES],
    }
    (HERE / "pipeline.json").write_text(json.dumps(result, indent=1) + "\n")
    (HERE / "pipeline.md").write_text(page(result))
    print(page(result))


def measure_size(size: tuple[int, int, int], peers: dict[str, str]) -> dict:
    """Milliseconds of a crop by each library, the median of turns."""
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(TURNS):
        for name, python in peers.items():
            command = [python, str(HERE / "pipeline_peers.py"), name, *map(str, size)]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            seconds[name].append(float(done.stdout.split()[-1]))
    return {"size": size, "ms": {name: 1e3 * median(s) for name, s in seconds.items()}}


def measure_files(height: int, width: int, crop: int) -> dict:
    """Milliseconds of a crop from PNG files, decoded for each crop or kept."""
    cv2.setNumThreads(1)
    augment = make_maskwright(crop)
    with tempfile.TemporaryDirectory() as folder:
        image, labels = draw_pair(height, width)
        cv2.imwrite(f"{folder}/image.png", image)
        cv2.imwrite(f"{folder}/labels.png", labels)
        read = partial(_read, folder)
        kept = KeptSamples(read, NUM_FILES, 4 * NUM_FILES * height * width + (1 << 20))
        for index in range(NUM_FILES):
            kept(index)
        return {
            "size": (height, width, crop),
            "decoded_ms": _time_crops(read, augment),
            "kept_ms": _time_crops(kept, augment),
        }


def _read(folder: str, index: int) -> Sample:
    image = cv2.cvtColor(cv2.imread(f"{folder}/image.png"), cv2.COLOR_BGR2RGB)
    labels = cv2.imread(f"{folder}/labels.png", cv2.IMREAD_UNCHANGED)
    return Sample(key=str(index), group="", image_HWC=image, labels_HW=labels)


def _time_crops(read: Callable[[int], Sample], augment: Callable) -> float:
    started_s = time.thread_time()
    for n in range(NUM_CROPS):
        sample = read(n % NUM_FILES)
        augment(sample.image_HWC, np.asarray(sample.labels_HW), n)
    return 1e3 * (time.thread_time() - started_s) / NUM_CROPS


def page(result: dict) -> str:
    """Markdown."""
    names = list(result["crops"][0]["ms"])
    rows = []
    for row in result["crops"]:
        height, width, crop = row["size"]
        own = row["ms"]["maskwright"]
        cells = [f"{height} x {width}", f"{crop} x {crop}", f"{own:.2f}", f"{1e3 / own:.0f}"]
        cells += [f"{row['ms'][n]:.2f} ({row['ms'][n] / own:.1f}x)" for n in names[1:]]
        rows.append(f"| {' | '.join(cells)} |")
    files = []
    for row in result["files"]:
        height, width, crop = row["size"]
        decoded, kept = row["decoded_ms"], row["kept_ms"]
        cells = [f"{height} x {width}", f"{crop} x {crop}", f"{decoded:.1f}", f"{kept:.1f}"]
        files.append(f"| {' | '.join([*cells, f'{decoded / kept:.1f}x'])} |")
    head = [
        "image",
        "crop",
        "ms",
        "crops per second and core",
        *(f"{n}, ms" for n in names[1:]),
    ]
    intro = (
        f"`python benchmarks/pipeline.py`, on {result['machine']}, load {result['load']} at "
        "the start. One thread each; the same augmentation (window, scale 0.75 to 1.5, "
        "rotation, flip, brightness, contrast, saturation, hue, blur, noise, JPEG) of an image "
        "of 8 bits and its labels, both in memory. torchvision is transforms.v2, which crops "
        "before it resizes; albumentations is 2.0.8."
    )
    text = ["# Input pipeline of training", "", intro, "", f"| {' | '.join(head)} |"]
    text += ["|---" * len(head) + "|", *rows, "", "From PNG files, milliseconds of a crop:", ""]
    text += ["| image | crop | decoded for each crop | decoded once and kept | gain |"]
    return "\n".join([*text, "|---|---|---|---|---|", *files, ""])


if __name__ == "__main__":
    main()
