"""Error, time, memory and effect of the fully connected CRF; writes benchmarks/crf.md.

    python benchmarks/crf.py ../shared/data      # all sections
    python benchmarks/crf.py ../shared/data error

The dataset is CamVid; the model is its truth, averaged over 8 x 8 px: what a network of stride
8 could say at best. Times are of one thread in processor time, for other work does not enter.
pydensecrf, the wrapper of the authors' code, is measured beside where it can be imported. pip
cannot build its release 1.0rc3 for Python 3.11, whose headers its generated C++ does not know;
with Cython 0.29 and without `eigen.cpp` and `densecrf.cpp` its source builds.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

from maskwright.core import Confusion, parts
from maskwright.core.kernels.kernel import KERNELS, Kernel
from maskwright.core.logits import Logits
from maskwright.core.refinechain import RefineStep
from maskwright.core.scores import iou
from maskwright.data.pixels.images import read_image
from maskwright.inference.refine.crf import Config, log_marginals
from maskwright.inference.resolution import planes

HERE = Path(__file__).parent
RESULTS, TABLE = HERE / "crf.json", HERE / "crf.md"
STRIDE = 8
CROP_HW = (64, 80)
CHOICES = (
    Config(),
    Config(theta_alpha=49, theta_beta=5, theta_gamma=3),
    Config(theta_alpha=20, theta_beta=10, theta_gamma=3),
)
"""DeepLab v2's defaults, its first version's, and a wide one."""

SEARCHED = (
    Config(),
    Config(theta_alpha=20, theta_beta=5),
    Config(theta_alpha=20, theta_beta=10),
    Config(w1=2, theta_alpha=10, theta_beta=5, w2=1),
    Config(w1=1, theta_alpha=10, theta_beta=10, w2=0),
    Config(w1=0.5, theta_alpha=10, theta_beta=5, w2=0),
)
NUM_SEARCHED, NUM_SCORED, NUM_CROPS = 4, 12, 4
SIZES = {"480 x 360, 11 classes": (360, 480, 11), "2048 x 1024, 19 classes": (1024, 2048, 19)}

Image = NDArray[np.uint8]
Planes = NDArray[np.float32]
Way = Callable[[Planes, Image, Config], Planes]


# ---- data ----


def pairs(data: Path, split: str, num: int) -> Iterator[tuple[Image, Image]]:
    """Images and truths, evenly over the split."""
    images = sorted((data / "camvid/images" / split).iterdir())
    for path in images[:: max(1, len(images) // num)][:num]:
        mask = data / "camvid/masks" / split / f"{path.stem}.png"
        yield read_image(path), cv2.imread(str(mask), cv2.IMREAD_UNCHANGED)


def at_stride(truth_HW: Image, num_classes: int) -> Planes:
    """log(0.9 share of the class in each square + 0.1 / K)."""
    size_wh = (truth_HW.shape[1] // STRIDE, truth_HW.shape[0] // STRIDE)
    shares = [
        cv2.resize((truth_HW == k).astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
        for k in range(num_classes)
    ]
    return np.log(0.9 * np.stack(shares) + np.float32(0.1 / num_classes))


# ---- ways: marginals (K, H, W) ----


def ours(logits: Planes, image: Image, crf: Config) -> Planes:
    """As `predict --refine crf`."""
    return np.exp(log_marginals(of_image(logits, image), image, crf, where="benchmark"))


def of_image(logits: Planes, image: Image) -> Logits:
    """The logits of an image, as a Predictor gives them to the CRF."""
    return Logits.of_image(logits, image.shape[:2])


def all_pairs(logits: Planes, image: Image, crf: Config) -> Planes:
    """The same equations with all pairs of pixels."""
    unary_KN = np.stack(list(planes(of_image(logits, image)))).reshape(len(logits), -1)
    place_2N = np.indices(image.shape[:2]).reshape(2, -1).astype(np.float32)
    colour_3N = image.reshape(-1, 3).T.astype(np.float32)
    far_NN, unlike_NN = (_squares(f) for f in (place_2N, colour_3N))
    kernel_NN = np.exp(-far_NN / (2 * crf.theta_alpha**2) - unlike_NN / (2 * crf.theta_beta**2))
    near_NN = np.exp(-far_NN / (2 * crf.theta_gamma**2))
    kernel_NN *= crf.w1 / kernel_NN.sum(axis=1, keepdims=True)
    kernel_NN += crf.w2 * near_NN / near_NN.sum(axis=1, keepdims=True)
    share_KN = _softmax(unary_KN)
    for _ in range(crf.iterations):
        share_KN = _softmax(unary_KN + share_KN @ kernel_NN.T)
    return share_KN.reshape(-1, *image.shape[:2])


def _squares(features_DN: NDArray[np.float32]) -> NDArray[np.float32]:
    return sum(((f[:, None] - f) ** 2 for f in features_DN), start=np.float32(0))


def _softmax(scores: Planes) -> Planes:
    raised = np.exp(scores - scores.max(axis=0))
    return raised / raised.sum(axis=0)


def pydensecrf(logits: Planes, image: Image, crf: Config) -> Planes:
    """The authors' code, each Gaussian divided by its sum as in DeepLab."""
    from pydensecrf.densecrf import NORMALIZE_AFTER, DenseCRF2D

    height, width = image.shape[:2]
    shares = _softmax(np.stack(list(planes(of_image(logits, image)))))
    model = DenseCRF2D(width, height, len(logits))
    model.setUnaryEnergy(np.ascontiguousarray(-np.log(shares).reshape(len(logits), -1)))
    model.addPairwiseGaussian(sxy=crf.theta_gamma, compat=crf.w2, normalization=NORMALIZE_AFTER)
    model.addPairwiseBilateral(
        sxy=crf.theta_alpha,
        srgb=crf.theta_beta,
        rgbim=np.ascontiguousarray(image),
        compat=crf.w1,
        normalization=NORMALIZE_AFTER,
    )
    return np.array(model.inference(crf.iterations)).reshape(shares.shape)


PEERS: dict[str, Way] = {"pydensecrf": pydensecrf} if find_spec("pydensecrf") else {}


# ---- sections ----


def error(data: Path) -> list[dict[str, Any]]:
    """Against all pairs of pixels, on crops around class borders."""
    rows: list[dict[str, Any]] = []
    crops = list(_crops(data))
    for way in (ours, *PEERS.values()):
        way(*crops[0], CHOICES[0])  # compiles
    for crf in CHOICES:
        found: dict[str, list[tuple[float, ...]]] = {}
        spent: dict[str, float] = {}
        for logits, image in crops:
            before_s = time.process_time()
            exact = all_pairs(logits, image, crf)
            spent["all pairs"] = spent.get("all pairs", 0) + time.process_time() - before_s
            for name, way in ({"maskwright": ours} | PEERS).items():
                before_s = time.process_time()
                marginals = way(logits, image, crf)
                spent[name] = spent.get(name, 0) + time.process_time() - before_s
                found.setdefault(name, []).append(_gap(marginals, exact))
        rows += [
            {
                "values": _text(crf),
                "way": name,
                "times_faster": spent["all pairs"] / spent[name],
            }
            | dict(zip(("mean", "p99", "agree"), np.mean(gaps, axis=0).tolist(), strict=True))
            for name, gaps in found.items()
        ]
    return rows


def _crops(data: Path) -> Iterator[tuple[Planes, Image]]:
    """The square of each image with the most class borders, of those on a grid."""
    height, width = CROP_HW
    for image, truth_HW in pairs(data, "val", NUM_CROPS):
        borders_HW = cv2.Laplacian(truth_HW, cv2.CV_32F) != 0
        corners = [
            (y, x)
            for y in range(0, truth_HW.shape[0] - height, STRIDE)
            for x in range(0, truth_HW.shape[1] - width, STRIDE)
        ]
        y, x = max(
            corners, key=lambda c: borders_HW[c[0] : c[0] + height, c[1] : c[1] + width].sum()
        )
        part = slice(y, y + height), slice(x, x + width)
        yield at_stride(truth_HW[part], 11), np.ascontiguousarray(image[part])


def _gap(found: Planes, exact: Planes) -> tuple[float, float, float]:
    gap_HW = np.abs(found - exact).max(axis=0)
    agree = (found.argmax(axis=0) == exact.argmax(axis=0)).mean()
    return float(gap_HW.mean()), float(np.quantile(gap_HW, 0.99)), float(agree)


def speed(data: Path) -> list[dict[str, Any]]:
    """Each way and size in a process of its own, whose peak of memory is then its own too."""
    return [
        {"size": size, "way": way} | _alone(data, size, way)
        for size in SIZES
        for way in (*(f"maskwright, {k}" for k in reversed(parts.names(KERNELS))), *PEERS)
    ]


def _alone(data: Path, size: str, way: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, str(data), "one", size, way],
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def one(data: Path, size: str, way: str) -> dict[str, float]:
    """Seconds of processor time, and bytes per pixel above what the process had before."""
    height, width, num_classes = SIZES[size]
    image, truth_HW = next(pairs(data, "val", 1))
    truth_HW = cv2.resize(truth_HW, (width, height), interpolation=cv2.INTER_NEAREST)
    if image.shape[:2] != (height, width):  # enlarged it is smooth, so it gets a sensor's noise
        noise = np.random.default_rng(0).normal(0, 2, (height, width, 3))
        image = (cv2.resize(image, (width, height)) + noise).clip(0, 255).astype(np.uint8)
    run = PEERS.get(way, ours)
    part = parts.load(KERNELS, way.rpartition(" ")[2], like=Kernel) if run is ours else None
    with patch("maskwright.inference.refine.crf.kernel", lambda: part):
        logits = at_stride(truth_HW, num_classes)
        run(logits[:, :4, :4], np.ascontiguousarray(image[:32, :32]), Config())
        before = resource.getrusage(resource.RUSAGE_SELF)
        if run is ours:
            log_marginals(of_image(logits, image), image, Config(), where="benchmark")
        else:
            run(logits, image, Config())
        after = resource.getrusage(resource.RUSAGE_SELF)
    kilobytes = after.ru_maxrss - before.ru_maxrss
    return {
        "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "bytes_a_pixel": 1024 * kilobytes / (height * width),
    }


def effect(data: Path) -> dict[str, Any]:
    """IoU without, with the defaults, and with the best of a few values on training images."""
    tries = {_text(crf): _scores(data, "train", NUM_SEARCHED, crf) for crf in SEARCHED}
    best = max(SEARCHED, key=lambda crf: np.nanmean(tries[_text(crf)]))
    rows = {
        "without": _scores(data, "val", NUM_SCORED, None),
        "defaults": _scores(data, "val", NUM_SCORED, Config()),
        "searched": _scores(data, "val", NUM_SCORED, best),
        "defaults, w1 = 0": _scores(data, "val", NUM_SCORED, Config(w1=0)),
    }
    classes = (data / "camvid/classes.txt").read_text().splitlines()
    return {"searched": _text(best), "classes": classes, "iou": rows}


def _scores(data: Path, split: str, num: int, crf: Config | None) -> list[float]:
    total = Confusion.zero(11)
    for image, truth_HW in pairs(data, split, num):
        logits = at_stride(truth_HW, 11)
        if crf is None:
            scores = np.stack(list(planes(of_image(logits, image))))
        else:
            scores = log_marginals(of_image(logits, image), image, crf, where="benchmark")
        total += Confusion.from_labels(truth_HW, scores.argmax(axis=0).astype(np.uint8), 11)
    return [float(value) for value in iou(total)]


# ---- the page ----


def _text(crf: Config) -> str:
    """As on the command line."""
    return str(RefineStep(refiner="crf", settings=crf.model_dump()))


def page(found: dict[str, Any]) -> str:
    """Three tables in Markdown."""
    lines = ["# The fully connected CRF", ""]
    if "error" in found:
        lines += _error_lines(found["error"])
    if "speed" in found:
        lines += _speed_lines(found["speed"])
    if "effect" in found:
        lines += _effect_lines(found["effect"])
    return "\n".join(lines).strip() + "\n"


def _error_lines(rows: list[dict[str, Any]]) -> list[str]:
    height, width = CROP_HW
    return [
        f"Against all pairs of pixels, {NUM_CROPS} crops of {height} x {width} px where CamVid",
        "has the most borders. The gap of a pixel is the largest of its classes.",
        "",
        "| values | by | mean gap | 99th percentile | same class, % | times faster |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{row['values']}` | {row['way']} | {row['mean']:.4f} | {row['p99']:.3f} "
            f"| {100 * row['agree']:.2f} | {row['times_faster']:.0f} |"
            for row in rows
        ),
        "",
    ]


def _speed_lines(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "Default values, 10 iterations, processor time of one thread; memory beyond image and",
        "scores at stride 8.",
        "",
        "| image | by | seconds | bytes per pixel | per pixel and class |",
        "|---|---|---|---|---|",
        *(
            f"| {row['size']} | {row['way']} | {row['seconds']:.1f} | "
            f"{row['bytes_a_pixel']:.0f} | {row['bytes_a_pixel'] / SIZES[row['size']][2]:.1f} |"
            for row in rows
        ),
        "",
    ]


def _effect_lines(found: dict[str, Any]) -> list[str]:
    names = [line.split()[1] for line in found["classes"]]
    return [
        f"IoU in %, {NUM_SCORED} validation images; the model is the truth averaged over",
        f"{STRIDE} x {STRIDE} px. Searched on {NUM_SEARCHED} training images among",
        f"{len(SEARCHED)}: `{found['searched']}`.",
        "",
        f"| | mean | {' | '.join(names)} |",
        f"|---|---|{'---|' * len(names)}",
        *(
            f"| {way} | {100 * np.nanmean(iou_C):.1f} | "
            + " | ".join(f"{100 * value:.1f}" for value in iou_C)
            + " |"
            for way, iou_C in found["iou"].items()
        ),
        "",
    ]


SECTIONS: dict[str, Callable[[Path], Any]] = {
    "error": error,
    "speed": speed,
    "effect": effect,
}


def main() -> None:
    """Measure the sections named, or all; the others stay as they are in the file."""
    cv2.setNumThreads(1)
    data, *names = sys.argv[1:]
    if names[:1] == ["one"]:
        print(json.dumps(one(Path(data), *names[1:])))
        return
    for name in names or SECTIONS:
        section = SECTIONS[name](Path(data))
        found = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
        found[name] = section
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
        TABLE.write_text(page(found))
        print(TABLE.read_text())


if __name__ == "__main__":
    main()
