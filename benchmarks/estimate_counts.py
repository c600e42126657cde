"""Counts of benchmarks/estimate.py: frames in all conditions, predicted once and kept.

Of each frame there are the confusion with its labels and the soft counts of all its pixels,
and those of the few pixels that a server measures. Everything that the page says follows from
them, so that it is made again in a minute.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskwright.core.confusion import Confusion
from maskwright.corruption.corrupt import IMAGENET_C, SEVERITIES, corrupt_sample
from maskwright.data.dataset import Dataset
from maskwright.inference.observe import sample_shares
from maskwright.inference.predictor import Predictor
from maskwright.inference.resolution import planes
from maskwright.monitoring.estimate import LabelledGroup
from maskwright.monitoring.softcounts import SoftCounts

Case = tuple[str, int]
PLAIN: Case = ("plain", 0)
CASES: tuple[Case, ...] = (
    PLAIN,
    *((kind, severity) for kind in IMAGENET_C for severity in SEVERITIES),
)
Known = Mapping[Case, LabelledGroup]


class _Frame(NamedTuple):
    """One frame in one condition."""

    confusion: Confusion
    soft: SoftCounts
    few: SoftCounts


@dataclass(frozen=True)
class Counts:
    """Some frames of a clip in each condition, and all of it (`clip`) without corruption.

    `few` has the soft counts of few pixels, and `indices` where the frames are in the clip.
    """

    whole: Known
    few: Known
    clip: LabelledGroup
    indices: tuple[int, ...]


def collect(model: Predictor, val: Dataset, num_frames: int) -> Counts:
    """Predict all frames as they are, and some, evenly spread, in each condition."""
    indices = np.linspace(0, len(val) - 1, num_frames).round().astype(int).tolist()
    clip = [_predict(model, val, index, PLAIN) for index in range(len(val))]
    found = {PLAIN: [clip[index] for index in indices]}
    for case in CASES[1:]:
        found[case] = [_predict(model, val, index, case) for index in indices]
        print(f"{len(found)} of {len(CASES)}: {case[0]} {case[1]}", flush=True)
    return Counts(
        whole={case: _group(frames, few=False) for case, frames in found.items()},
        few={case: _group(frames, few=True) for case, frames in found.items()},
        clip=_group(clip, few=False),
        indices=tuple(indices),
    )


def _predict(model: Predictor, val: Dataset, index: int, case: Case) -> _Frame:
    (kind, severity), num = case, len(model.card.labels)
    image_HWC, truth_HW = val.image(index), val.labels(index)
    if severity:
        rng = np.random.default_rng(index)
        image_HWC, truth_HW = corrupt_sample(image_HWC, truth_HW, kind, severity, rng)
    logits = model.logits(image_HWC)
    decision = model.decide(logits, image_HWC)
    shares = (decision.shares(plane_HW) for plane_HW in planes(decision.logits))
    few_Khw = sample_shares(decision.logits, decision.temperature)
    few_hw = few_Khw.argmax(axis=0).astype(np.uint8)
    return _Frame(
        confusion=Confusion.from_labels(truth_HW, decision.labels_HW, num),
        soft=SoftCounts.from_shares(decision.labels_HW, shares, num),
        few=SoftCounts.from_shares(few_hw, few_Khw, num),
    )


def _group(frames: list[_Frame], *, few: bool) -> LabelledGroup:
    soft = tuple(frame.few if few else frame.soft for frame in frames)
    return LabelledGroup(soft, tuple(frame.confusion for frame in frames))


def write_counts(counts: Counts, file: Path) -> None:
    """Keep counts in an NPZ file."""
    arrays = {"indices": np.array(counts.indices)}
    for name, known in (("whole", counts.whole), ("few", counts.few)):
        for number, case in enumerate(CASES):
            arrays |= _to_arrays(f"{name} {number}", known[case])
    np.savez_compressed(file, **arrays, **_to_arrays("clip", counts.clip))


def _to_arrays(name: str, group: LabelledGroup) -> dict[str, NDArray[np.generic]]:
    return {
        f"{name} confusion": np.stack([each.counts_CC for each in group.confusions]),
        f"{name} expected": np.stack([each.expected_CC for each in group.images]),
        f"{name} confidence": np.stack([each.confidence_CB for each in group.images]),
    }


def read_counts(file: Path) -> Counts:
    """Undo `write_counts`."""
    with np.load(file) as arrays:
        found = {name: arrays[name] for name in arrays.files}

    def group(name: str) -> LabelledGroup:
        soft = zip(found[f"{name} expected"], found[f"{name} confidence"], strict=True)
        return LabelledGroup(
            tuple(SoftCounts(*each) for each in soft),
            tuple(map(Confusion, found[f"{name} confusion"])),
        )

    whole, few = (
        {case: group(f"{name} {number}") for number, case in enumerate(CASES)}
        for name in ("whole", "few")
    )
    return Counts(whole, few, group("clip"), tuple(found["indices"].tolist()))
