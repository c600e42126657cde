"""Labels of video over time: smoothing and keyframes beside each frame by itself.

    python benchmarks/video.py BUNDLE ../shared/data

BUNDLE has the classes of CamVid. Three clips: the 101 frames of CamVid's val in a row (15 Hz),
davis_car (40 frames; car against the rest), and a clip with cuts: pieces of CamVid's val and
pans over drawn streets by turns. Of each way the table has mIoU against the truth, the temporal
consistency (mIoU of each class map, warped to the next frame, with the one there), the flicker
(share of pixels that change and change back) and frames per second of the processor in one
thread, decoded frames in memory. Writes `benchmarks/video.md`, with the decision by the limits:
smoothing may lose 0.2 points of mIoU and must raise consistency; keyframes must give three
times the frames per second and may lose 1.5 points. mIoU says which network was measured: on a
weak one that errs anyhow, keyframes lose little.
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from maskwright.core.confusion import Confusion
from maskwright.core.labels import IGNORE, LabelMap, LabelSpec
from maskwright.core.scores import mean_iou
from maskwright.core.stream import Frame, LabelledFrame
from maskwright.data.pixels.images import read_image
from maskwright.data.synth.scene import STREET
from maskwright.data.synth.streets import draw_street
from maskwright.inference.engine import EngineOptions
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.video.consistency import Consistency
from maskwright.inference.video.labeller import EachFrame, Labeller
from maskwright.inference.video.temporal import Keyframes, Smoothing

OUT = Path(__file__).with_name("video.md")
SMOOTHED, EVERY = (0.3, 0.5, 0.7), (2, 4, 6)
MOST_LOST_SMOOTH, MOST_LOST_KEYFRAMES, LEAST_FASTER = 0.2, 1.5, 3.0
SAME_NAME = {
    "sidewalk": "pavement",
    "traffic_sign": "signsymbol",
    **{name: name for name in ("road", "building", "sky", "tree", "car", "pedestrian", "pole")},
}
"""Classes of the drawn streets that CamVid has; grass is left out."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames in memory with their truth in the classes of the clip."""

    name: str
    frames: Sequence[Frame]
    truth: Sequence[LabelMap]
    labels: LabelSpec
    to_classes: LabelMap
    """From a class of the model to one of the clip."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one way on one clip."""

    clip: str
    way: str
    miou: float
    consistency: float
    flicker: float
    fps: float
    note: str


def main() -> None:
    """Measure all ways on all clips and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    model = open_model(chosen.bundle, options=EngineOptions(threads=1))
    camvid = read_camvid(chosen.data / "camvid", model.card.labels)
    clips = [camvid, read_davis(chosen.data / "davis_car", model.card.labels), cut(camvid)]
    ways: dict[str, Callable[[Predictor], Labeller]] = {"each frame": EachFrame}
    ways |= {f"--smooth {share}": lambda m, s=share: Smoothing(m, s) for share in SMOOTHED}
    ways |= {f"--keyframes {n}": lambda m, n=n: Keyframes(m, n) for n in EVERY}
    rows = []
    for clip in clips:
        for way, make in ways.items():
            rows.append(measure(model, clip, way, make(model)))
            print(rows[-1], flush=True)
    OUT.write_text(render(rows, model), encoding="utf-8")


def measure(model: Predictor, clip: Clip, way: str, labeller: Labeller) -> Row:
    """Label the frames of a clip in order."""
    model.label(clip.frames[0].image_HWC)  # the first image of a size takes longer
    consistency, confusion = Consistency(clip.labels), Confusion.zero(len(clip.labels))
    seconds, begin = 0.0, time.process_time()
    labelled = labeller.label_all(iter(clip.frames), may_wait=True)
    for frame, truth_HW, predicted_HW in zip(clip.frames, clip.truth, labelled, strict=True):
        seconds += time.process_time() - begin
        labels_HW = clip.to_classes[predicted_HW]
        confusion += Confusion.from_labels(truth_HW, labels_HW, len(clip.labels))
        consistency.add(LabelledFrame(frame=frame, labels_HW=labels_HW))
        begin = time.process_time()
    return Row(
        clip=clip.name,
        way=way,
        miou=100 * float(mean_iou(confusion)),
        consistency=100 * consistency.miou,
        flicker=100 * consistency.flicker,
        fps=len(clip.frames) / seconds,
        note="; ".join(labeller.describe()),
    )


def read_camvid(folder: Path, labels: LabelSpec) -> Clip:
    """The clip of val."""
    images = sorted((folder / "images" / "val").glob("*"))
    truth = [read_image(folder / "masks" / "val" / f"{p.stem}.png")[..., 0] for p in images]
    return Clip("CamVid val", as_frames(map(read_image, images)), truth, labels, np.arange(256))


def read_davis(folder: Path, labels: LabelSpec) -> Clip:
    """The video of a car, in the classes background and car."""
    images = sorted((folder / "images").rglob("*.jpg"))
    masks = {path.stem: path for path in (folder / "masks").rglob("*.png")}
    to_classes = np.zeros(256, np.uint8)
    to_classes[labels.names.index("car")] = 1
    return Clip(
        "davis_car",
        as_frames(map(read_image, images)),
        [read_image(masks[path.stem])[..., 0] for path in images],
        LabelSpec.from_names(("background", "car")),
        to_classes,
    )


def cut(camvid: Clip) -> Clip:
    """Pieces of 20 frames: of the drive, and pans over a drawn street, by turns."""
    images, truth = [], []
    for piece in range(4):
        part = slice(25 * piece, 25 * piece + 20)
        images += [frame.image_HWC for frame in camvid.frames[part]]
        truth += camvid.truth[part]
        for image_HWC, labels_HW in pan(camvid, number=piece):
            images.append(image_HWC)
            truth.append(labels_HW)
    return Clip("with cuts", as_frames(images), truth, camvid.labels, camvid.to_classes)


def pan(camvid: Clip, *, number: int) -> list[tuple[np.ndarray, LabelMap]]:
    """A camera that turns over a drawn street, 4 px per frame, in the classes of CamVid."""
    height, width = camvid.truth[0].shape
    image_HWC, labels_HW = draw_street((height, width + 80), seed=0, number=number)
    to_camvid = np.full(256, IGNORE, np.uint8)
    for index, name in enumerate(STREET.names):
        if name in SAME_NAME:
            to_camvid[index] = camvid.labels.names.index(SAME_NAME[name])
    views = [np.s_[:, 4 * step : 4 * step + width] for step in range(20)]
    return [(np.ascontiguousarray(image_HWC[v]), to_camvid[labels_HW[v]]) for v in views]


def as_frames(images) -> list[Frame]:
    """Frames at 15 Hz."""
    return [
        Frame(key=f"{index:06d}", index=index, time_s=index / 15, image_HWC=image_HWC)
        for index, image_HWC in enumerate(images)
    ]


def render(rows: Sequence[Row], model: Predictor) -> str:
    """The table, and the decision on each way."""
    lines = [
        "| clip | way | mIoU % | consistency % | flicker % | frames/s | times as fast | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    plain = {row.clip: row for row in rows if row.way == "each frame"}
    for row in rows:
        faster = row.fps / plain[row.clip].fps
        lines.append(
            f"| {row.clip} | {row.way} | {row.miou:.2f} | {row.consistency:.2f} | "
            f"{row.flicker:.2f} | {row.fps:.1f} | {faster:.1f} | {row.note} |"
        )
    arch = model.card.arch
    return (
        f"# Video: smoothing and keyframes\n\nFrom `python benchmarks/video.py` on "
        f"{platform.machine()}: {arch.name} on {arch.encoder}, trained on CamVid train, on "
        f"{model.engine.name}. Frames per second of the processor, one thread, without "
        f"decoding and writing.\n\n" + "\n".join(lines) + "\n\n" + decide(rows, plain) + "\n"
    )


def decide(rows: Sequence[Row], plain: dict[str, Row]) -> str:
    """Which ways keep the limits on CamVid val, and on all clips."""
    lines = []
    for way in dict.fromkeys(row.way for row in rows if row.way != "each frame"):
        mine = [row for row in rows if row.way == way]
        lost = [plain[row.clip].miou - row.miou for row in mine]
        if way.startswith("--smooth"):
            steadier = all(row.consistency > plain[row.clip].consistency for row in mine)
            keeps = steadier and max(lost) <= MOST_LOST_SMOOTH
        else:
            faster = min(row.fps / plain[row.clip].fps for row in mine)
            keeps = faster >= LEAST_FASTER and max(lost) <= MOST_LOST_KEYFRAMES
        worst = f"mIoU lost on the three clips: {', '.join(f'{value:+.2f}' for value in lost)}"
        lines.append(f"- `{way}` {'keeps' if keeps else 'does not keep'} the limits. {worst}.")
    return (
        "Limits: smoothing raises consistency and loses at most 0.2 points of mIoU; keyframes "
        "give three times the frames per second and lose at most 1.5 points. On every clip:\n\n"
        + "\n".join(lines)
    )


if __name__ == "__main__":
    main()
