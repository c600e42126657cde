"""Memory and time that single inputs take: benchmarks/bounds.md.

    python benchmarks/bounds.py                # all rows
    python benchmarks/bounds.py predict        # rows whose name begins so; the others stay

A row is a function in `ROWS`: it writes its input into a folder and gives the command to run.
Each command runs in a process of its own, whose peak of resident memory and time are measured.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import hostile_inputs
import numpy as np
from PIL import Image

from maskwright.core import InputSpec, LabelSpec
from maskwright.core.atomic import write_text
from maskwright.core.bundle import GRAPH, write_bundle
from maskwright.core.card import ArchSpec, ModelCard
from maskwright.core.graph import Graph
from maskwright.core.trust import hash_file, remember

ROOT = Path(__file__).parent
TABLE, FIGURES = ROOT / "bounds.md", ROOT / "bounds.json"


@dataclass(frozen=True)
class Command:
    """What a row runs: arguments of `maskwright`, and the pixels that it reads."""

    arguments: tuple[str, ...]
    num_px: int = 0


@dataclass(frozen=True)
class Measured:
    """Exit status, seconds, bytes at the peak, bytes per pixel, and the last line printed."""

    status: int
    seconds: float
    peak_bytes: int
    bytes_per_px: float
    says: str


def predict_many_classes(folder: Path, num_classes: int) -> Command:
    """A photograph of 24 megapixels and a graph of one convolution.

    The figure is what prediction itself needs; a network adds its own activations.
    """
    height, width = 4000, 6000
    rng = np.random.default_rng(0)
    coarse_HW3 = rng.integers(0, 256, (height // 50, width // 50, 3)).astype(np.uint8)
    photo = Image.fromarray(coarse_HW3).resize((width, height))
    photo.save(folder / "photo.jpg")
    _write_bundle(folder / "bundle", num_classes)
    arguments = ("predict", str(folder / "bundle"), str(folder / "photo.jpg"))
    return Command((*arguments, "-o", str(folder / "out"), "--quiet"), height * width)


def check_image(folder: Path, image: str, content: bytes) -> Command:
    """A dataset with one hostile image."""
    data = hostile_inputs.write_dataset(folder / "data", image, content)
    return Command(("check", str(data), "--quiet"))


def check_archive(folder: Path, name: str, content: bytes) -> Command:
    """A hostile archive."""
    (folder / name).write_bytes(content)
    return Command(("check", str(folder / name), "--quiet"))


def convert_large(folder: Path, *, colored_masks: bool) -> Command:
    """Two large pairs, of which one is in memory at a time."""
    data = hostile_inputs.write_large(folder / "data", colored_masks=colored_masks)
    arguments = ("convert", str(data), str(folder / "out"), "--to", "mask_folder", "--quiet")
    return Command(arguments, hostile_inputs.SIDE**2)


def _write_bundle(path: Path, num_classes: int) -> None:
    from onnx import TensorProto, helper, numpy_helper

    value = helper.make_tensor_value_info
    weight_KC11 = np.linspace(-1, 1, 3 * num_classes, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "weight"], ["logits"])],
        "one convolution",
        [value("image", TensorProto.FLOAT, ["B", 3, "H", "W"])],
        [value("logits", TensorProto.FLOAT, ["B", num_classes, "H", "W"])],
        [numpy_helper.from_array(weight_KC11.reshape(num_classes, 3, 1, 1), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    source = path.with_suffix(".onnx")
    source.write_bytes(model.SerializeToString())
    remember("graph", hash_file(source))
    card = ModelCard(
        labels=LabelSpec.from_names([f"class {index}" for index in range(num_classes)]),
        input=InputSpec(channels=3, mean=(0.5,) * 3, std=(0.25,) * 3),
        arch=ArchSpec(name="one convolution", encoder="none"),
    )
    graphs = [Graph(file=GRAPH, engine="onnxruntime")]
    write_bundle(path, card, {GRAPH: source}, graphs=graphs)


ROWS: Mapping[str, Callable[[Path], Command]] = {
    "predict, JPEG of 6000 x 4000, 3 classes": lambda f: predict_many_classes(f, 3),
    "predict, JPEG of 6000 x 4000, 30 classes": lambda f: predict_many_classes(f, 30),
    "image, TIFF of 1 KB with 169 million tiles": lambda f: check_image(
        f, "a.tif", hostile_inputs.many_tiles()
    ),
    "image, TIFF of 8 x 8 with a strip of 2 GiB": lambda f: check_image(
        f, "a.tif", hostile_inputs.packed_strip()
    ),
    "image, JPEG of 2,000 scans": lambda f: check_image(
        f, "a.jpg", hostile_inputs.many_scans()
    ),
    "archive, tar.gz with a header of 3 GiB": lambda f: check_archive(
        f, "a.tar.gz", hostile_inputs.pax_header()
    ),
    "archive, tar.bz2 with a member of 200 GiB": lambda f: check_archive(
        f, "a.tar.bz2", hostile_inputs.large_member()
    ),
    "archive, tar.xz with 200,000 headers": lambda f: check_archive(
        f, "a.tar.xz", hostile_inputs.many_headers()
    ),
    "large, RGBA of 16 bits, 6000 x 6000 (8 bytes a pixel)": lambda f: convert_large(
        f, colored_masks=False
    ),
    "large, colour masks, 6000 x 6000 (3 bytes a pixel)": lambda f: convert_large(
        f, colored_masks=True
    ),
}


_LAUNCH = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_maxrss], file)
"""
"""Starts a command from a small process: Linux counts the memory of the one that starts it."""


def measure(command: Command) -> Measured:
    """Run a command in a process of its own."""
    started_s = time.monotonic()
    with tempfile.TemporaryFile() as output:
        verb = [sys.executable, "-m", "maskwright", *command.arguments]
        with tempfile.NamedTemporaryFile() as figures:
            subprocess.run(
                [sys.executable, "-c", _LAUNCH, figures.name, *verb],
                stdout=output,
                stderr=output,
                check=True,
            )
            status, peak_kb = json.load(figures)
        output.seek(0)
        lines = output.read().decode(errors="replace").splitlines()
    peak = peak_kb * 1024
    return Measured(
        status=status,
        seconds=round(time.monotonic() - started_s, 1),
        peak_bytes=peak,
        bytes_per_px=round(peak / command.num_px, 1) if command.num_px else 0.0,
        says=lines[-1] if lines else "",
    )


def main() -> None:
    """Measure the rows that the argument names, and write the table."""
    begins = sys.argv[1] if len(sys.argv) > 1 else ""
    figures: dict[str, Measured] = {}
    if FIGURES.exists():
        known = json.loads(FIGURES.read_text(encoding="utf-8"))
        figures = {name: Measured(**one) for name, one in known.items()}
    for name, make in ROWS.items():
        if not name.startswith(begins):
            continue
        with tempfile.TemporaryDirectory() as folder:
            one = measure(make(Path(folder)))
            figures[name] = replace(one, says=one.says.replace(f"{folder}/", ""))
        print(name, figures[name])
    write_text(
        FIGURES, json.dumps({n: asdict(one) for n, one in figures.items()}, indent=1) + "\n"
    )
    write_text(TABLE, _render(figures))


def _render(figures: Mapping[str, Measured]) -> str:
    lines = [
        "# Memory and time of single inputs\n",
        "`python benchmarks/bounds.py` writes this table. Memory is the peak of the process.\n",
        "| input | exit status | seconds | peak, MB | bytes per pixel | last line |",
        "|---|---|---|---|---|---|",
    ]
    for name in ROWS:
        if name in figures:
            one = figures[name]
            per_px = f"{one.bytes_per_px:g}" if one.bytes_per_px else ""
            cells = (
                name,
                one.status,
                one.seconds,
                round(one.peak_bytes / 1e6),
                per_px,
                one.says,
            )
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
