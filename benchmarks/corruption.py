"""Time of the 15 corruptions at 5 severities: writes corruption.md.

    python benchmarks/corruption.py ../shared/data/camvid/images/val

Each image is corrupted in every way by one process. CPU seconds are those of all its threads,
so that other work on the machine does not count; reading is not measured.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from maskwright.core.atomic import write_text
from maskwright.corruption.corrupt import IMAGENET_C, SEVERITIES, corrupt
from maskwright.data.pixels.images import read_image
from maskwright.inference.inputs import find_images

HERE = Path(__file__).parent
NUM_CORES = 2


def measure(images_HWC):
    """CPU seconds of each kind, all severities of all images."""
    found = {}
    for kind in IMAGENET_C:
        began_s = time.process_time()
        for index, image_HWC in enumerate(images_HWC):
            for severity in SEVERITIES:
                corrupt(image_HWC, kind, severity, np.random.default_rng([index, severity]))
        found[kind] = time.process_time() - began_s
        print(f"{kind}: {found[kind]:.1f} s", flush=True)
    return found


def page(found, num, size_HW):
    """What was measured, as Markdown."""
    total_s = sum(found.values())
    lines = [
        "# Corruptions",
        "",
        f"`benchmarks/corruption.py`: {num} images of {size_HW[0]} x {size_HW[1]}, each in 15",
        f"corruptions at 5 severities, on an AMD EPYC: {total_s:.0f} s of one core, so",
        f"{total_s / NUM_CORES:.0f} s of two. CPU in ms per image and severity:",
        "",
        "| corruption | ms |",
        "|---|---|",
        *(f"| {k} | {1e3 * s / num / len(SEVERITIES):.1f} |" for k, s in found.items()),
    ]
    return "\n".join(lines) + "\n"


def main():
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    found = find_images([parser.parse_args().images]).images
    images_HWC = [read_image(ref) for ref in found.values()]
    seconds = measure(images_HWC)
    write_text(HERE / "corruption.md", page(seconds, len(images_HWC), images_HWC[0].shape[:2]))


if __name__ == "__main__":
    main()
