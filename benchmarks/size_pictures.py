"""Pictures of video, refinement and many machines, on generated scenes.

    python benchmarks/size_pictures.py demo docs/images

The model is that of `maskwright demo`, which is small and errs; nothing is chosen to look well.

- `video.png`: three frames of a camera that pans over a street, their class maps one by one and
  with `--smooth 0.5`. White are the pixels whose class changed since the frame before.
- `refinement.png`: a scene, the class map of the network, and that after a chain of refiners.
- `scale.png`: class maps of 128 scenes from two workers in turn; a frame has the colour of its
  worker, and runs of one colour are shards.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from maskwright import open_model
from maskwright.core.stream import Frame
from maskwright.data.synth.streets import draw_street
from maskwright.inference.predictor import Predictor
from maskwright.inference.scatter import predict_in_shards
from maskwright.inference.shards import Job, Shard, ShardWorker
from maskwright.inference.video.labeller import EachFrame
from maskwright.inference.video.temporal import Smoothing

SIZE_HW, GAP_PX, SCALE = (96, 128), 6, 2
NUM_FRAMES, STEP_PX, SHARE = 12, 3, 0.5
CHAIN = """\
families: {large: [road, sidewalk, building, tree, sky]}
steps:
  - {refiner: crf}
  - {refiner: components, classes: [large], area: 60 px}
  - {refiner: holes, classes: [large], area: 20 px}
"""
WORKERS = np.array([(214, 120, 40), (52, 116, 190)], np.uint8)
NUM_SCENES, ACROSS, SMALL_HW, RIM_PX = 128, 16, (48, 64), 3


def main(demo: Path, out: Path) -> None:
    """Draw all three."""
    model = open_model(demo / "run")
    pages = {
        "video": draw_video(model),
        "refinement": draw_refinement(model, demo),
        "scale": draw_scale(demo),
    }
    for name, page_HW3 in pages.items():
        picture = Image.fromarray(page_HW3).quantize(128, dither=Image.Dither.NONE)
        picture.save(out / f"{name}.png", optimize=True)
        print(f"{out / name}.png: {page_HW3.shape[1]} x {page_HW3.shape[0]} px")


def draw_video(model: Predictor) -> np.ndarray:
    """Three frames in rows: the image, its class map by itself, and smoothed."""
    (height, width), rng = SIZE_HW, np.random.default_rng(0)
    wide_HW3, _ = draw_street((height, width + STEP_PX * NUM_FRAMES), seed=3, number=1)
    ways = EachFrame(model), Smoothing(model, SHARE)
    rows, before = [], [None, None]
    for index in range(NUM_FRAMES):
        left = STEP_PX * index
        noise = rng.normal(0, 9, (height, width, 3))
        image_HW3 = (wide_HW3[:, left : left + width] + noise).clip(0, 255).astype(np.uint8)
        frame = Frame(key=str(index), index=index, time_s=index / 25, image_HWC=image_HW3)
        maps = [way.label(frame) for way in ways]
        shown = [
            mark_changes(model, labels_HW, last_HW)
            for labels_HW, last_HW in zip(maps, before, strict=True)
        ]
        rows.append([image_HW3, *shown])
        before = maps
    return tile(rows[-3:])


def mark_changes(
    model: Predictor, labels_HW: np.ndarray, last_HW: np.ndarray | None
) -> np.ndarray:
    """The colours of a class map; white where the class at the place before was another."""
    colors_HW3 = model.card.labels.palette[labels_HW].copy()
    if last_HW is not None:
        moved_HW = labels_HW[:, :-STEP_PX] != last_HW[:, STEP_PX:]
        colors_HW3[:, :-STEP_PX][moved_HW] = 255
    return colors_HW3


def draw_refinement(model: Predictor, demo: Path) -> np.ndarray:
    """A scene, the class map of the network, and the refined one."""
    with TemporaryDirectory() as folder:
        chain = Path(folder) / "chain.yaml"
        chain.write_text(CHAIN)
        refined = open_model(demo / "run", refine=str(chain))
    rows = []
    for number in (4, 7):
        image_HW3, _ = draw_street(SIZE_HW, seed=5, number=number)
        maps = [one(image_HW3).labels_HW for one in (model, refined)]
        rows.append([image_HW3, *(model.card.labels.palette[labels_HW] for labels_HW in maps)])
    return tile(rows)


def draw_scale(demo: Path) -> np.ndarray:
    """The class maps of many scenes, framed by the worker that predicted each."""
    workers: dict[str, int] = {}

    def run(job: Job, shards: Sequence[Shard]) -> Iterator[int]:
        pair = [ShardWorker(job) for _ in WORKERS]
        for shard in shards:
            number = shard.index % len(pair)
            workers.update((key, number) for key, _ in shard.images)
            yield pair[number].run(shard)

    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "scenes").mkdir()
        for number in range(NUM_SCENES):
            image_HW3, _ = draw_street(SMALL_HW, seed=9, number=number)
            Image.fromarray(image_HW3).save(folder / "scenes" / f"{number:03}.png")
        predict_in_shards(
            partial(open_model, demo / "run"),
            [folder / "scenes"],
            folder / "out",
            run=run,
            write=("classes",),
        )
        framed = [
            frame_map(folder / "out" / "classes" / f"{key}.png", WORKERS[number])
            for key, number in sorted(workers.items())
        ]
    rows = [np.concatenate(framed[n : n + ACROSS], 1) for n in range(0, len(framed), ACROSS)]
    return np.concatenate(rows, axis=0)


def frame_map(path: Path, color: np.ndarray) -> np.ndarray:
    """A class map in its colours with a frame."""
    colors_HW3 = np.asarray(Image.open(path).convert("RGB"))
    rim = [(RIM_PX, RIM_PX), (RIM_PX, RIM_PX)]
    framed = [np.pad(colors_HW3[..., c], rim, constant_values=color[c]) for c in range(3)]
    return np.pad(np.stack(framed, -1), [(1, 1), (1, 1), (0, 0)], constant_values=255)


def tile(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Pictures in rows, enlarged, with gaps between them."""
    padding = [(0, GAP_PX), (0, GAP_PX), (0, 0)]
    lines = []
    for row in rows:
        large = (
            cv2.resize(one, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST)
            for one in row
        )
        lines.append(
            np.concatenate([np.pad(p, padding, constant_values=255) for p in large], 1)
        )
    return np.concatenate(lines, axis=0)[:-GAP_PX, :-GAP_PX]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
