"""The page of benchmarks/speed.py, from its lines of results."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Json = Mapping[str, Any]

FP32 = ("torch", "ORT fp32", "OpenVINO fp32")
"""Variants among which the engine of a Bundle is chosen."""
BF16 = (*FP32, "OpenVINO bf16")
INT8 = ("ORT int8", "OpenVINO int8")
LEAST, LEAST_MEDIAN = 1.2, 1.6
MEDIAN_BF16, ALLOWED = 2.5, 1e-3

SETTING = (
    "One image of 512 x 512, batch 1, {threads} threads, {classes} classes, random weights, "
    "logits at the stride of the head, as engines of a Bundle give them. Every variant of a "
    "case has a process of its own; they take turns in {rounds} rounds of 0.3 s. A number is "
    "how many times as fast as torch eager it is: the median over the rounds of the ratios of "
    "their medians; *torch ms* is the time of torch eager. "
    "int8 is one graph of QuantizeLinear and DequantizeLinear for both engines, uint8 "
    "activations and int8 weights (U8S8), every layer quantised. "
    "*picked* is the engine that a Bundle runs on in fp32: the fastest of torch, ONNX "
    "Runtime (ORT) and OpenVINO, which is held to fp32; *difference* is the largest one of its "
    "logits from those of torch, as a share of the largest logit. A Bundle also requires the "
    "same class in 99.99 % of the pixels of its images before it takes an engine, which random "
    "weights, whose classes are near to ties, cannot show. A dash is a variant that does not "
    "run; torch.compile, which takes minutes, was measured for a few."
)
HEADS = (
    "architecture",
    "torch ms",
    "torch.compile",
    "ORT fp32",
    "OpenVINO fp32",
    "OpenVINO bf16",
    "ORT int8",
    "OpenVINO int8",
    "picked",
    "difference",
)


FRAMES = (
    "Decoded frames of 512 x 512 px in, class maps out, frames per second with {threads} "
    "threads (`python benchmarks/realtime.py FOLDER FRAMES`): `Predictor.label` normalises, "
    "runs the network on the whole frame and decides. Frames are centres of CamVid's val "
    "images, brought to that height. The mIoU is on the 101 val images of CamVid, at source "
    "resolution, void ignored: of the first two rows by the runs that were measured, of the "
    "others in [architectures.md](architectures.md), while their time was measured with random "
    "weights. The first row is the recipe that `plan --budget 40m` makes for two cores, 55 "
    "epochs at 543 x 725 px, made on one core in 66 minutes; its scores are at that size. The "
    "others were trained at half size for the same 920 steps of 8 crops, for minutes."
)
MIOU = {
    "fpn-trained": ("fpn, mobilenet_v2 (ImageNet), half widths", "77.3; int8 77.2"),
    "dlv3p-trained": ("deeplabv3plus, mobilenet_v2 (ImageNet)", "58.3; int8 58.5"),
    "fastscnn": ("fastscnn (random start)", "42.3"),
    "ddrnet23_slim": ("ddrnet23_slim (random start)", "40.8"),
    "pidnet_s": ("pidnet_s (random start)", "35.1"),
    "bisenetv2": ("bisenetv2", "–"),
}


def render_page(
    lines: Sequence[Json], frames: Sequence[Json], notes: str, *, classes: int, rounds: int
) -> str:
    """Markdown: the machine, the table, what was to be reached, frames, and `notes`."""
    latest = {line["case"]: line for line in lines}
    rows = [latest[case] for case in sorted(latest)]
    setting = SETTING.format(threads=rows[0]["threads"], classes=classes, rounds=rounds)
    return "\n".join(
        [
            "# Speed of engines and precisions",
            "",
            "`python benchmarks/speed.py build FOLDER`, then `measure` and `page`.",
            "",
            setting,
            "",
            _describe_machine(rows),
            "",
            f"| {' | '.join(HEADS)} |",
            "|---" + "|--:" * (len(HEADS) - 1) + "|",
            *map(_format_row, rows),
            "",
            *_judge(rows),
            "",
            *_list_frames(frames),
            "",
            notes,
        ]
    )


def pick(line: Json, among: Sequence[str]) -> tuple[str, float]:
    """The fastest variant of a case, and how many times as fast as torch it is."""
    found = {name: one for name, one in line["variants"].items() if name in among}
    name = max(found, key=lambda name: found[name]["times_torch"])
    return name, found[name]["times_torch"]


def _format_row(line: Json) -> str:
    variants = line["variants"]

    def ratio(name: str) -> str:
        return f"{variants[name]['times_torch']:.2f}" if name in variants else "–"

    name, gain = pick(line, FP32)
    cells = (
        line["case"].replace("/", ", "),
        f"{variants['torch']['ms']:.0f}",
        ratio("torch.compile"),
        ratio("ORT fp32"),
        ratio("OpenVINO fp32"),
        ratio("OpenVINO bf16"),
        ratio("ORT int8"),
        ratio("OpenVINO int8"),
        f"{name.removesuffix(' fp32')} {gain:.2f}",
        f"{variants[name]['difference']:.0e}",
    )
    return f"| {' | '.join(cells)} |"


def _describe_machine(rows: Sequence[Json]) -> str:
    machine = rows[0]["machine"]
    versions = ", ".join(
        f"{name} {machine['versions'][name]}" for name in ("torch", "onnxruntime", "openvino")
    )
    return (
        f"Two cores of an AMD EPYC with {', '.join(machine['instructions'])}; {versions}. All "
        f"other work stood still while a case was measured."
    )


def _list_frames(frames: Sequence[Json]) -> list[str]:
    latest = {line["model"]: line for line in frames}
    engines = list(frames[-1]["fps"])
    rows = [
        (*MIOU[name], *(f"{latest[name]['fps'][engine]:.0f}" for engine in engines))
        for name in MIOU
        if name in latest
    ]
    heads = ("model", "CamVid val mIoU, %", *engines)
    return [
        "## Frames, end to end",
        "",
        FRAMES.format(threads=frames[-1]["threads"]),
        "",
        f"| {' | '.join(heads)} |",
        "|---|--:" + "|--:" * len(engines) + "|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def _judge(rows: Sequence[Json]) -> list[str]:
    picked = {row["case"]: pick(row, FP32)[1] for row in rows}
    slow = [f"{case} ({gain:.2f})" for case, gain in picked.items() if gain < LEAST]
    with_bf16 = median(pick(row, BF16)[1] for row in rows)
    apart = {row["case"]: row["variants"][pick(row, FP32)[0]]["difference"] for row in rows}
    over = [f"{case} ({gap:.1g})" for case, gap in apart.items() if gap > ALLOWED]
    within = max(gap for gap in apart.values() if gap <= ALLOWED)
    difference = f"{within:.1g}; over it: {', '.join(over)}" if over else f"{within:.1g}"
    engines = {name: sum(pick(row, FP32)[0] == name for row in rows) for name in FP32}
    gain, least = median(picked.values()), min(picked.values())
    below = f"; below it: {', '.join(slow)}" if slow else ""
    lines = [
        "## What was to be reached",
        "",
        "| | wanted | measured |",
        "|---|---|---|",
        f"| picked engine in fp32, median of {len(rows)} | {LEAST_MEDIAN} | {gain:.2f} |",
        f"| picked engine in fp32, the least | {LEAST} | {least:.2f}{below} |",
        f"| the same with bf16 allowed, median | {MEDIAN_BF16} | {with_bf16:.2f} |",
        f"| largest difference from torch, of the picked | {ALLOWED:g} | {difference} |",
    ]
    known = next((row for row in rows if row["case"] == "deeplabv3plus/mobilenet_v2"), None)
    if known is not None:
        name, gain = pick(known, INT8)
        lines.append(f"| int8 on DeepLabV3+ with MobileNetV2 | 4.5 | {gain:.2f} ({name}) |")
    counts = ", ".join(
        f"{name.removesuffix(' fp32')} {count}" for name, count in engines.items()
    )
    return [*lines, "", f"Picked: {counts}."]
