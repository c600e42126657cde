"""Images per second of `predict` on a folder, beside the bare engine and a plain torch loop.

    python benchmarks/predict.py [--images 32] [--rounds 5] [--encoder resnet18]
    python benchmarks/predict.py --bundle BUNDLE --precision int8 --name "fastscnn, int8"

One U-Net of segmentation-models-pytorch with random weights, or a Bundle, on drawn streets in
JPEG files. The bare engine gets inputs that lie in memory; `predict` reads, decodes and scales
files and writes class maps, overlays, confidence and coverage. The torch loop is what people
write first: it reads a file, runs the U-Net, and writes the same three pictures with Pillow.
All ways run in turn in one process, on as many threads as there are cores. Each run appends a
line to `benchmarks/predict.jsonl`; `benchmarks/predict.md` has the last one of each model.
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from PIL import Image

from maskwright.data.pixels.images import read_image
from maskwright.data.synth.streets import draw_street, write_street_scenes
from maskwright.export.bundle import export_model
from maskwright.inference.engine import EngineOptions
from maskwright.inference.outputs import ALL
from maskwright.inference.predict import predict
from maskwright.inference.predictor import Predictor, open_model
from maskwright.inference.resolution import to_network

OUT = Path(__file__).with_name("predict.md")
LINES = OUT.with_suffix(".jsonl")
SIZE_HW = (512, 1024)
NUM_CLASSES = 19
BARE, LOOP = "bare engine, inputs in memory", "torch loop, the same files"
WANTED_SHARE = 0.85
PALETTE = np.random.default_rng(0).integers(0, 256, (NUM_CLASSES, 3)).astype(np.uint8)


def main() -> None:
    """Measure all ways and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--name", help="of the Bundle, on the page")
    asked = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = draw_images(folder / "images", asked.images)
        if asked.bundle is None:
            title = f"U-Net on {asked.encoder}, {NUM_CLASSES} classes"
            network = make_network(folder, asked.encoder)
            model = open_model(folder / "bundle")
        else:
            title, network = asked.name or asked.bundle.name, None
            model = open_model(asked.bundle, options=EngineOptions(precision=asked.precision))
        ways = list_ways(folder, files, network, model)
        rates = run_in_turn(ways, asked.images, asked.rounds)
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    line: dict[str, Any] = {
        "model": title,
        "engine": f"{model.engine.name} {model.engine.precision}",
    }
    line |= {"images": asked.images, "rounds": asked.rounds, "machine": machine, "rates": rates}
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    write_page()


def make_network(folder: Path, encoder: str) -> torch.nn.Module:
    """A U-Net with random weights, and `bundle` of it."""
    unet = smp.Unet(encoder, encoder_weights=None, classes=NUM_CLASSES)
    unet.save_pretrained(folder / "network")
    write_street_scenes(folder / "streets", num_images=4)
    export_model(folder / "network", folder / "bundle", data=folder / "streets")
    network: torch.nn.Module = unet.eval()
    return network


def draw_images(folder: Path, num: int) -> list[Path]:
    """Drawn streets as JPEG files."""
    folder.mkdir()
    files = []
    for index in range(num):
        image_HWC, _ = draw_street(SIZE_HW, seed=0, number=index)
        files.append(folder / f"{index:04}.jpg")
        Image.fromarray(image_HWC).save(files[-1], quality=92)
    return files


def list_ways(
    folder: Path, files: Sequence[Path], network: torch.nn.Module | None, model: Predictor
) -> dict[str, Callable[[], None]]:
    """Each way by its name, as a function that handles all images; loops with a network."""
    inputs = [to_network(read_image(file), model.card.input)[None] for file in files]

    def run_engine() -> None:
        for x_1CHW in inputs:
            model.engine(x_1CHW)

    def run_predict(write: Sequence[str]) -> None:
        predict(model, [folder / "images"], folder / "out", write=write)
        shutil.rmtree(folder / "out")

    def run_loop(network: torch.nn.Module, *, with_pictures: bool) -> None:
        loop(network, model, files, folder / "loop", with_pictures=with_pictures)
        shutil.rmtree(folder / "loop")

    ways = {
        BARE: run_engine,
        "`predict`": lambda: run_predict(ALL),
        "`predict --write classes`": lambda: run_predict(("classes",)),
    }
    if network is not None:
        ways[LOOP] = lambda: run_loop(network, with_pictures=True)
        ways["torch loop, class maps alone"] = lambda: run_loop(network, with_pictures=False)
    return ways


def loop(
    network: torch.nn.Module,
    model: Predictor,
    files: Sequence[Path],
    out: Path,
    *,
    with_pictures: bool,
) -> None:
    """Predict one file after the other with torch and Pillow."""
    mean, std = (
        torch.tensor(v)[:, None, None] for v in (model.card.input.mean, model.card.input.std)
    )
    for kind in ("classes", "overlay", "confidence"):
        (out / kind).mkdir(parents=True)
    with torch.inference_mode():
        for file in files:
            rgb_HWC = np.asarray(Image.open(file).convert("RGB"))
            x_CHW = torch.from_numpy(rgb_HWC.copy()).permute(2, 0, 1).float() / 255
            logits_KHW = network(((x_CHW - mean) / std)[None])[0]
            labels_HW = logits_KHW.argmax(dim=0).byte().numpy()
            save(labels_HW, out / "classes" / f"{file.stem}.png", PALETTE)
            if with_pictures:
                share_HW = logits_KHW.softmax(dim=0).amax(dim=0)
                grey_HW = (share_HW * 255).round().byte().numpy()
                save(grey_HW, out / "confidence" / f"{file.stem}.png")
                overlay_HWC = (rgb_HWC / 2 + PALETTE[labels_HW] / 2).astype(np.uint8)
                save(overlay_HWC, out / "overlay" / f"{file.stem}.png")


def save(values: np.ndarray, path: Path, palette: np.ndarray | None = None) -> None:
    """Write a PNG file."""
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(palette.tobytes())
    image.save(path)


def run_in_turn(
    ways: dict[str, Callable[[], None]], num_images: int, rounds: int
) -> dict[str, tuple[float, float]]:
    """Images per second and core seconds per image of each way, medians over the rounds.

    A first round is not counted.
    """
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for index in range(rounds + 1):
        for name, way in ways.items():
            begin, begin_cores = time.perf_counter(), time.process_time()
            way()
            if index:
                taken = time.perf_counter() - begin, time.process_time() - begin_cores
                seconds[name].append(taken)
    medians = {name: np.median(taken, axis=0) for name, taken in seconds.items()}
    return {
        name: (num_images / wall_s, cores_s / num_images)
        for name, (wall_s, cores_s) in medians.items()
    }


def write_page() -> None:
    """Write a table of each model, of the last run with it."""
    lines = [json.loads(line) for line in LINES.read_text(encoding="utf-8").splitlines()]
    latest = {line["model"]: line for line in lines}
    setting = (
        f"`python benchmarks/predict.py`: JPEG of {SIZE_HW[0]} x {SIZE_HW[1]} px (H x W), "
        f"the ways in turn, medians. Core seconds are those of all threads together. To reach, "
        f"with class maps written: {WANTED_SHARE} of the bare engine. `predict` alone also "
        f"writes overlays, confidence and coverage."
    )
    text = ["# Images per second of `predict`", "", setting]
    for line in latest.values():
        text += ["", *list_rows(line)]
    OUT.write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


def list_rows(line: dict[str, Any]) -> list[str]:
    """The heading and the table of a model."""
    rates = line["rates"]
    heads = ["way", "images/s", "of the bare engine", "core s/image"]
    if LOOP in rates:
        heads.insert(3, "times the torch loop")
    rows = []
    for name, (rate, cores) in rates.items():
        cells = [name, f"{rate:.2f}", f"{rate / rates[BARE][0]:.2f}", f"{cores:.3f}"]
        if LOOP in rates:
            cells.insert(3, f"{rate / rates[LOOP][0]:.2f}")
        rows.append(f"| {' | '.join(cells)} |")
    return [
        f"## {line['model']}, on {line['engine']}",
        "",
        f"{line['images']} images, {line['rounds']} rounds, {line['machine']}.",
        "",
        f"| {' | '.join(heads)} |",
        "|---" + "|--:" * (len(heads) - 1) + "|",
        *rows,
    ]


if __name__ == "__main__":
    main()
