"""Measure the real datasets as a table, and draw the pictures of `measure` in the README.

    python benchmarks/measure.py          # docs/images/measure-*.png
    python benchmarks/measure.py DATA     # benchmarks/measure.md

DATA holds the real datasets (see CONTRIBUTING.md). Their licences do not allow showing them, so
the pictures are of drawn scenes: a crack, a field of crop rows, a place before and after.
"""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from maskwright.core.atomic import write_text
from maskwright.measurement.figures.coverage import WHOLE
from maskwright.measurement.measure import measure
from maskwright.measurement.output.measurements import Measurements
from maskwright.measurement.series import MeasureOptions

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs/images"
SIZE_HW = (300, 440)
FINER = 4
"""Scenes are drawn so many times larger: edges come out smooth."""

_PLACE = (
    *(("meadow", (170, 200, 120)), ("forest", (40, 110, 60)), ("field", (220, 200, 120))),
    *(("water", (90, 140, 200)), ("building", (150, 60, 50)), ("road", (110, 110, 110))),
)
CLASSES = {
    "crack": (("asphalt", (120, 120, 124)), ("crack", (200, 30, 40))),
    "field": (("soil", (150, 116, 86)), ("crop", (40, 150, 60)), ("weed", (220, 40, 140))),
    "before": _PLACE,
    "after": _PLACE,
}

Scene = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""A photograph (RGB) and its class indices."""


@dataclass(frozen=True)
class Case:
    """One command line on a real dataset; `describe` writes its figures for the table."""

    command: str
    maps: str
    options: Callable[[Path], MeasureOptions]
    describe: Callable[[Measurements], str]


def _describe_cracks(measurements: Measurements) -> str:
    crack = measurements.totals.thin["crack"]
    return (
        f"{_percent(measurements, 'crack'):.2f} % crack; {crack.length:,.0f} px long, "
        f"{crack.mean_width:.2f} px wide in the mean, {crack.max_width:.1f} px at most, "
        f"{crack.num_branch_points} branch points"
    )


def _describe_field(measurements: Measurements) -> str:
    crop, weed = _percent(measurements, "crop"), _percent(measurements, "weed")
    regions = measurements.totals.regions
    (gap,) = measurements.totals.gaps
    return (
        f"crop {crop:.2f} %, weed {weed:.2f} %; {regions['crop'].count} crop and "
        f"{regions['weed'].count} weed regions; they touch in {gap.num_touching} of "
        f"{gap.num_images} images"
    )


def _change_describer(name: str) -> Callable[[Measurements], str]:
    def describe(measurements: Measurements) -> str:
        change, index = measurements.change, measurements.labels.index(name)
        if change is None:
            raise ValueError("expected maps of an earlier date")
        return (
            f"{change.changed_percent:.2f} % changed; {name} gained "
            f"{change.gained[index]:,.0f} px², lost {change.lost[index]:,.0f} px²"
        )

    return describe


def _describe_street(measurements: Measurements) -> str:
    car = measurements.totals.regions["car"]
    return (
        f"road {_percent(measurements, 'road'):.2f} %, {car.count} car regions, "
        f"the largest {car.largest:,.0f} px²"
    )


def _percent(measurements: Measurements, name: str) -> float:
    return float(measurements.coverage[WHOLE].percent[measurements.labels.index(name)])


CASES = (
    *(
        Case(
            f"measure crackforest/masks/{split} --thin crack --min-area 20",
            f"crackforest/masks/{split}",
            lambda _: MeasureOptions(thin=("crack",), min_area=20),
            _describe_cracks,
        )
        for split in ("train", "val", "test")
    ),
    *(
        Case(
            f"measure cwfid/masks/{split} --regions all --gap crop,weed --min-area 50",
            f"cwfid/masks/{split}",
            lambda _: MeasureOptions(regions=("all",), gaps=(("crop", "weed"),), min_area=50),
            _describe_field,
        )
        for split in ("train", "test")
    ),
    Case(
        "measure davis_car/masks/seq/00039.png --before davis_car/masks/seq/00000.png",
        "davis_car/masks/seq/00039.png",
        lambda data: MeasureOptions(before=data / "davis_car/masks/seq/00000.png"),
        _change_describer("car"),
    ),
    Case(
        "measure camvid/masks/val/0016E5_08159.png --before camvid/masks/val/0016E5_07959.png",
        "camvid/masks/val/0016E5_08159.png",
        lambda data: MeasureOptions(before=data / "camvid/masks/val/0016E5_07959.png"),
        _change_describer("building"),
    ),
    Case(
        "measure camvid/masks/val --regions car --min-area 20",
        "camvid/masks/val",
        lambda _: MeasureOptions(regions=("car",), min_area=20),
        _describe_street,
    ),
)


def main(data: Path) -> None:
    """Write the table of the real datasets."""
    lines = [
        "# Measured on real maps",
        "",
        "Labelled masks of public datasets, in pixels: none of them states a scale.",
        "`python benchmarks/measure.py DATA` writes this page.",
        "",
        "| command | images | figures |",
        "|---|---|---|",
    ]
    for case in CASES:
        measurements = measure(data / case.maps, case.options(data))
        num_images = len(measurements.images)
        row = f"| `{case.command}` | {num_images} | {case.describe(measurements)} |"
        lines.append(row)
        print(row, flush=True)
    write_text(ROOT / "benchmarks/measure.md", "\n".join(lines) + "\n")


def draw_pictures() -> None:
    """Draw the three pictures of the README, each an overlay that measure writes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        _write_scene(home / "crack", draw_crack())
        _write_scene(home / "field", draw_field())
        _write_scene(home / "before", draw_place(later=False))
        _write_scene(home / "after", draw_place(later=True))
        _write_picture(home, "crack", MeasureOptions(thin=("crack",), mm_per_px=0.5), "overlay")
        options = MeasureOptions(
            regions=("weed",), gaps=(("crop", "weed"),), mm_per_px=2.0, min_area=400
        )
        _write_picture(home, "field", options, "overlay")
        _write_picture(home, "after", MeasureOptions(before=home / "before/maps"), "change")


def _write_picture(home: Path, name: str, options: MeasureOptions, kind: str) -> None:
    """Measure one scene and write its picture for the README."""
    images = None if kind == "change" else home / name / "images"
    options = replace(options, images=images)
    measurements = measure(home / name / "maps", options, out=home / name / "out")
    target = IMAGES / f"measure-{'change' if kind == 'change' else name}.png"
    picture = Image.open(home / name / "out" / kind / "scene.png")
    picture.quantize(128).save(target, optimize=True)
    print(f"{target.name}: {measurements.totals}")


def _write_scene(folder: Path, scene: Scene) -> None:
    image_HW3, labels_HW = scene
    for kind, pixels in (("images", image_HW3), ("maps", labels_HW)):
        (folder / kind).mkdir(parents=True)
        Image.fromarray(pixels).save(folder / kind / "scene.png")
    entries = [{"name": name, "color": list(color)} for name, color in CLASSES[folder.name]]
    (folder / "maps/dataset.yaml").write_text(yaml.safe_dump({"classes": entries}))
    if folder.name not in ("crack", "field"):
        (folder / "maps/scene.pgw").write_text("0.5\n0\n0\n-0.5\n500000\n4000000\n")


def draw_crack() -> Scene:
    """A forked crack in asphalt that narrows towards its ends."""
    rng = np.random.default_rng(4)
    labels = _canvas()
    stem = _walk(rng, (5, 150), 0.05, 44)
    _taper(labels, stem, 9, 5)
    _taper(labels, _walk(rng, stem[18], -0.75, 17), 5, 2)
    _taper(labels, _walk(rng, stem[30], 0.8, 12), 4, 2)
    return _seen(labels, rng, {0: (112, 112, 116), 1: (42, 40, 40)}, grain=16)


def draw_field() -> Scene:
    """Rows of crop, with weeds between them."""
    rng = np.random.default_rng(1)
    labels = _canvas()
    for y in (60, 150, 240):
        for x in range(30, 440, 50):
            _plant(labels, rng, (x + rng.integers(-5, 6), y + rng.integers(-5, 6)), 17, 1)
    for x, y, size in (
        (95, 103, 15),
        (236, 107, 17),
        (345, 104, 11),
        (160, 205, 9),
        (392, 193, 12),
    ):
        _plant(labels, rng, (x, y), size, 2)
    return _seen(labels, rng, {0: (122, 94, 70), 1: (64, 132, 58), 2: (128, 158, 56)}, grain=12)


def draw_place(*, later: bool) -> Scene:
    """A place seen from above; later a road, some houses and a field have come."""
    labels = _canvas()

    def fill(points: list[tuple[int, int]], index: int) -> None:
        cv2.fillPoly(labels, [np.array(points, np.int32) * FINER], index)

    fill([(0, 0), (190, 0), (150, 90), (60, 130), (0, 120)], 1)
    fill([(250, 0), (440, 0), (440, 110), (270, 90)], 2)
    fill([(0, 230), (110, 215), (210, 250), (330, 235), (440, 260), (440, 300), (0, 300)], 3)
    if later:
        fill([(190, 0), (206, 0), (222, 130), (440, 170), (440, 185), (208, 146)], 5)
        fill([(60, 130), (150, 90), (170, 44), (90, 40), (40, 90), (40, 126)], 2)
        for x, y in ((240, 160), (285, 170), (330, 178), (246, 196), (300, 206)):
            fill([(x, y), (x + 26, y + 5), (x + 22, y + 22), (x - 4, y + 17)], 4)
    return _seen(labels, np.random.default_rng(2), {0: (150, 170, 110)}, grain=8)


def _canvas() -> NDArray[np.uint8]:
    return np.zeros((SIZE_HW[0] * FINER, SIZE_HW[1] * FINER), np.uint8)


def _walk(
    rng: np.random.Generator, start: tuple[float, float], angle: float, steps: int
) -> list[tuple[float, float]]:
    points, heading = [start], angle
    for _ in range(steps):
        heading = 0.75 * heading + 0.25 * angle + rng.normal(0, 0.35)
        x, y = points[-1]
        points.append((x + 10 * np.cos(heading), y + 10 * np.sin(heading)))
    return points


def _taper(
    labels: NDArray[np.uint8], points: list[tuple[float, float]], first: float, last: float
) -> None:
    for place, (a, b) in enumerate(pairwise(points)):
        width = FINER * (first + (last - first) * place / len(points))
        ends = [tuple(round(FINER * v) for v in point) for point in (a, b)]
        cv2.line(labels, *ends, 1, max(1, round(width)))


def _plant(
    labels: NDArray[np.uint8],
    rng: np.random.Generator,
    at: tuple[int, int],
    size: int,
    index: int,
) -> None:
    for angle in np.arange(0, 360, 60) + rng.uniform(0, 60):
        turn = np.radians(angle)
        middle = [
            round(FINER * (v + 0.55 * size * w))
            for v, w in zip(at, (np.cos(turn), np.sin(turn)), strict=True)
        ]
        axes = (round(FINER * size * 0.55), round(FINER * size * 0.24))
        cv2.ellipse(labels, middle, axes, float(angle), 0, 360, index, -1)


def _seen(
    labels: NDArray[np.uint8],
    rng: np.random.Generator,
    colors: dict[int, tuple[int, int, int]],
    *,
    grain: float,
) -> Scene:
    """The canvas at its final size, as a noisy photograph and as class indices."""
    palette = np.zeros((256, 3), np.float32)
    for index, color in colors.items():
        palette[index] = color
    height, width = SIZE_HW
    image = cv2.resize(palette[labels], (width, height), interpolation=cv2.INTER_AREA)
    noise = rng.normal(0, grain, (height, width, 1))
    soft = cv2.GaussianBlur(rng.normal(0, grain * 9, (height, width)), (0, 0), 14)[..., None]
    pixels = np.clip(image + noise + soft, 0, 255).astype(np.uint8)
    return pixels, np.ascontiguousarray(labels[FINER // 2 :: FINER, FINER // 2 :: FINER])


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        draw_pictures()
