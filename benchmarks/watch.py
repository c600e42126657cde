"""False alarms and delays of the drift detector, beside frame-wise KS and PSI.

    maskwright train STREETS -o runs/streets ...      a small model of drawn streets
    maskwright train ../shared/data/camvid -o runs/camvid ...
    python benchmarks/watch.py traffic runs/streets
    python benchmarks/watch.py camvid runs/camvid ../shared/data/camvid

Traffic: drawn streets are predicted and observed once. A camera walks through them: a point in
the space of their three main components follows an autoregressive process, begins anew with
each clip, and the nearest street is seen. So rows are real, and their autocorrelation is known.
CamVid: the rows of its training frames, in stretches that begin at random, so that rows and
their autocorrelation are real; it may not be shipped. In 200 replays nothing changes; changes
are put on rows as `watch --replay` does. The peers are frame-wise: the frames of a day against
those of the reference. Results go into benchmarks/watch.json, the page is benchmarks/watch.md.
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from maskwright.core.atomic import write_json, write_text
from maskwright.core.image import Image
from maskwright.core.observation import Observation
from maskwright.data.dataset import open_dataset
from maskwright.data.synth.streets import draw_street
from maskwright.inference.observe import observe
from maskwright.inference.outputs import PredictedImage
from maskwright.inference.predictor import Predictor, open_model
from maskwright.monitoring.groups import Observed
from maskwright.monitoring.reference import join_values
from maskwright.monitoring.replay import bound_poisson, replay
from maskwright.monitoring.shifts import ScaledClass, Shift, measure_shifts, to_differences
from maskwright.monitoring.target import ALARM, WARNING, Target

HERE = Path(__file__).parent
KINDS = ("fog", "gaussian_noise", "defocus_blur", "brightness")
WORLDS: dict[str, dict[str, Any]] = {
    "one camera, 0.8": {"rhos": (0.8,), "images": 4000},
    "one camera, 0.95": {"rhos": (0.95,), "images": 14_000},
    "one camera, 0.99": {"rhos": (0.99,), "images": 60_000},
    "three cameras, 0.8 to 0.97": {"rhos": (0.8, 0.9, 0.97), "images": 45_000},
}
"""Autocorrelation from frame to frame of each camera, and images of a log."""

CLIP, STRETCH = 2000, 120
GROUPS_PER_DAY = 2.0
POOL, CORRUPTED = 400, 40
PEER_LOGS = 8
"""Logs on which the peers are run too."""

_SIZE_HW = (96, 128)
CRIES_HEAD = (
    "| world | images of a log | images of a group | days of all replays | false alarms: "
    "times the target | false warnings: times the target |"
)
DELAYS_HEAD = (
    "| world | change | images | warned within 10 | within 20 | median | alarm within 20 | "
    "median |"
)


def main() -> None:
    """Measure one of the two worlds, and write the page of what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("world", choices=("traffic", "camvid"))
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--only", choices=WORLDS, nargs="+", help="of the worlds of traffic")
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--changes", type=int, default=40, help="replays with changes")
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    file = asked.out / "watch.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for name, draw, shifts in _list_worlds(asked):
        results[name] = measure(draw, shifts, asked.replays, asked.changes)
        write_json(file, results)
        write_text(asked.out / "watch.md", page(results))
        print(name, json.dumps(results[name]), flush=True)


def _list_worlds(
    asked: argparse.Namespace,
) -> Iterator[tuple[str, Callable[[int], Observed], Mapping[tuple[str, int], Shift]]]:
    """Name, log of a seed, and changes, of each world."""
    model = open_model(asked.model)
    if asked.world == "traffic":
        images = [draw_street(_SIZE_HW, seed=1, number=k)[0] for k in range(POOL)]
        pool = _gather(model, images, "")
        shifts = _measure(model, images[:CORRUPTED], pool)
        for name in asked.only or WORLDS:
            world = WORLDS[name]
            yield name, lambda seed, world=world: draw_traffic(pool, seed, **world), shifts
        return
    train = open_dataset(asked.data).subset("train")
    images = [train.image(k) for k in range(len(train))]
    pool = _gather(model, images, "")
    shifts = _measure(model, images[:: len(images) // CORRUPTED], pool)
    yield "CamVid", lambda seed: draw_stretches(pool, seed, num=24_000), shifts


def _gather(model: Predictor, images: list[Image], where: str) -> Observed:
    return Observed.gather(map(_make_observer(model), images), where=where)


def _make_observer(model: Predictor) -> Callable[[Image], Observation]:
    def look(image_HWC: Image) -> Observation:
        prediction = model.predict(image_HWC)
        item = PredictedImage(key="", image_HWC=image_HWC, prediction=prediction)
        return observe(item, model.card.input)

    return look


def _measure(
    model: Predictor, images: list[Image], pool: Observed
) -> Mapping[tuple[str, int], Shift]:
    observed = measure_shifts(images, _make_observer(model), kinds=KINDS, severities=(3,))
    mean_C = pool.values["classes"].mean(axis=0)
    rare = pool.names["classes"][int(np.argmin(np.abs(np.log((mean_C + 1e-3) / 0.05))))]
    shifts: dict[tuple[str, int], Shift] = dict(to_differences(pool, observed, pool.names))
    share = float(mean_C[pool.names["classes"].index(rare)])
    return shifts | {(f"twice the {rare} ({share:.1%})", 0): ScaledClass(rare, 2.0)}


def draw_traffic(
    pool: Observed, seed: int, *, rhos: tuple[float, ...], images: int
) -> Observed:
    """Rows of cameras in turn, each with its own place, light and autocorrelation."""
    rng = np.random.default_rng([17, seed])
    values_PF = join_values(pool)
    scaled_PF = (values_PF - values_PF.mean(0)) / (values_PF.std(0) + 1e-9)
    left, _, _ = np.linalg.svd(scaled_PF, full_matrices=False)
    places_P3 = left[:, :3] * math.sqrt(len(left))
    num = images // len(rhos)
    seen = [
        _find_nearest(places_P3, 0.6 * rng.normal(size=3) + _walk(rho, num, rng))
        for rho in rhos
    ]
    index_N = np.stack(seen, axis=1).ravel()
    sources = tuple(f"site/camera {k % len(rhos)}" for k in range(len(index_N)))
    values = {family: each[index_N] for family, each in pool.values.items()}
    return Observed(sources, pool.names, values, pool.models)


def _walk(rho: float, num: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """An autoregressive process of standard deviation 0.8 in three dimensions, by clips."""
    walk_N3 = np.empty((num, 3))
    noise_N3 = rng.normal(size=(num, 3)) * math.sqrt(1 - rho**2)
    for k in range(num):
        first = k % CLIP == 0
        walk_N3[k] = rng.normal(size=3) if first else rho * walk_N3[k - 1] + noise_N3[k]
    return 0.8 * walk_N3


def _find_nearest(
    places_P3: NDArray[np.float64], walk_N3: NDArray[np.float64]
) -> NDArray[np.int64]:
    squares_P = (places_P3**2).sum(1)
    return np.asarray(np.argmin(squares_P - 2 * walk_N3 @ places_P3.T, axis=1))


def draw_stretches(pool: Observed, seed: int, *, num: int) -> Observed:
    """Rows in stretches of neighbouring frames that begin at random."""
    rng = np.random.default_rng([18, seed])
    starts = rng.integers(len(pool) - STRETCH, size=math.ceil(num / STRETCH))
    index_N = (starts[:, None] + np.arange(STRETCH)).ravel()[:num]
    values = {family: each[index_N] for family, each in pool.values.items()}
    return Observed(("",) * num, pool.names, values, pool.models)


def measure(
    draw: Callable[[int], Observed],
    shifts: Mapping[tuple[str, int], Shift],
    num_replays: int,
    num_changes: int,
) -> dict[str, Any]:
    """Cries of replays without a change, delays of some, and the cries of the peers."""
    first = replay(draw(0), images_per_day=1000.0, num=1)
    per_day = GROUPS_PER_DAY * first.group_size
    cries = {"alarm": 0, "warning": 0}
    days = 0.0
    peers: dict[str, list[float]] = {}
    for seed in range(num_replays):
        log = draw(seed)
        found = replay(log, images_per_day=per_day, num=1, seed=seed)
        cries["alarm"] += found.alarm.num
        cries["warning"] += found.warning.num
        days += found.alarm.days
        if seed < PEER_LOGS:
            for name, share in cry_by_frames(log, round(per_day)).items():
                peers.setdefault(name, []).append(share)
    changed = replay(
        draw(num_replays),
        images_per_day=per_day,
        shifts=shifts,
        shares=(0.1, 0.25, 0.5, 1.0),
        num=num_changes,
    )
    document = changed.to_json()
    return {
        "num_images": len(log),
        "group_size": first.group_size,
        "num_reference": first.num_reference,
        "num_replays": num_replays,
        "num_changes": num_changes,
        "days": days,
        "cries": cries,
        "found": document["found"],
        "peers": {name: float(np.mean(each)) for name, each in peers.items()},
    }


def cry_by_frames(log: Observed, per_day: int) -> dict[str, float]:
    """The share of days without a change on which frame-wise tests cry."""
    values_NF = np.concatenate(list(log.values.values()), axis=1)
    half = len(values_NF) // 2
    before_nF, cries = values_NF[:half], []
    for start in range(half, len(values_NF) - per_day + 1, per_day):
        today_nF = values_NF[start : start + per_day]
        columns = list(zip(before_nF.T, today_nF.T, strict=True))
        p_values = np.array([ks_2samp(a, b, method="asymp").pvalue for a, b in columns])
        psi = np.array([measure_psi(a, b) for a, b in columns])
        cries.append(
            (
                (p_values * len(p_values) <= 0.05).any(),
                (p_values <= 0.05).mean() >= 0.5,
                (psi > 0.1).any(),
                (psi > 0.25).any(),
            )
        )
    names = ("KS, Bonferroni", "KS in half of the columns", "PSI > 0.1", "PSI > 0.25")
    return dict(zip(names, np.mean(cries, axis=0).tolist(), strict=True))


def measure_psi(before_n: NDArray[np.float64], today_n: NDArray[np.float64]) -> float:
    """Population stability index in ten bins of equal number in the reference."""
    edges = np.unique(np.quantile(before_n, np.linspace(0, 1, 11))[1:-1])
    shares = [
        (np.bincount(np.searchsorted(edges, one), minlength=len(edges) + 1) + 0.5)
        / (len(one) + 0.5 * (len(edges) + 1))
        for one in (before_n, today_n)
    ]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def page(results: Mapping[str, Any]) -> str:
    """The page of all worlds."""
    lines = [
        "# Watching: false alarms and delays",
        "",
        "`benchmarks/watch.py` on rows of drawn streets and of CamVid's training frames. A",
        f"group is as long as the reference asks for; {GROUPS_PER_DAY:g} groups come in a day.",
        f"Targets: {ALARM} for alarms, {WARNING} for warnings, of all cameras and sites",
        "together. Intervals are of Poisson numbers, 95 %.",
        "",
        "## Without a change",
        "",
        CRIES_HEAD,
        "|---|---|---|---|---|---|",
    ]
    for name, one in results.items():
        cells = [
            _relate(one["cries"][kind], one["days"], target)
            for kind, target in (("alarm", ALARM), ("warning", WARNING))
        ]
        lines.append(
            f"| {name} | {one['num_images']:,} | {one['group_size']} | {one['days']:,.0f} | "
            f"{cells[0]} | {cells[1]} |"
        )
    peers = list(next(iter(results.values()))["peers"])
    lines += [
        "",
        "Days, of the same without a change, on which a test of frames against frames cries:",
        "",
        f"| world | {' | '.join(peers)} |",
        "|---" * (1 + len(peers)) + "|",
    ]
    for name, one in results.items():
        cells = [f"{one['peers'][peer]:.0%}" for peer in peers]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", "## With a change", ""]
    lines += [
        "Groups until the cry, median; and the share of runs within 10 and 20 groups.",
        "",
    ]
    lines += [
        DELAYS_HEAD,
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in results.items():
        lines += [_row(name, found) for found in one["found"]]
    return "\n".join(lines) + "\n"


def _relate(num: int, days: float, target: Target) -> str:
    expected = days / target.days_between
    low, high = bound_poisson(num)
    return f"{num}: {num / expected:.2f} ({low / expected:.2f} to {high / expected:.2f})"


def _row(name: str, found: Mapping[str, Any]) -> str:
    severity = f" {found['severity']}" if found["severity"] else ""
    warning, alarm = found["warning"], found["alarm"]
    cells = [
        f"{warning['within_10']:.0%}",
        f"{warning['within_20']:.0%}",
        _format(warning["median"]),
        f"{alarm['within_20']:.0%}",
        _format(alarm["median"]),
    ]
    return (
        f"| {name} | {found['kind']}{severity} | {found['share']:.0%} | {' | '.join(cells)} |"
    )


def _format(median: float | None) -> str:
    return "> 60" if median is None else f"{median:g}"


if __name__ == "__main__":
    main()
