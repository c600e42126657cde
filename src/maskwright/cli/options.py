"""Options and arguments that several verbs share, each defined once.

docs/design.md has the table of shared options, today's and later ones.
"""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import ConfigError, MissingDependencyError
from ..core.pseudonyms import keeping_ids
from .console import Console

AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON document on stdout; all else goes to stderr."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only results and errors.")]
Data = Annotated[
    Path, typer.Argument(metavar="DATA", help="A dataset: folder, dataset.yaml, ZIP or TAR.")
]
DataOrAddress = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A dataset: folder, dataset.yaml, ZIP or TAR, or an address (s3, gs, http).",
    ),
]
AllowDownload = Annotated[
    bool,
    typer.Option("--allow-download", help="Fetch what begins with https:// or http://."),
]
MaxDrop = Annotated[
    float | None,
    typer.Option(metavar="POINTS", help="mIoU that may be lost, of 100 (default: 1)."),
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A Bundle (runs without torch), a run folder, or a published model: "
        "hub:OWNER/NAME[@REVISION], or the folder or file of its weights (need torch).",
    ),
]
AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="Accept the licence of published weights, after reading it."
    ),
]
AllowOutside = Annotated[
    bool,
    typer.Option("--allow-outside", help="Paths in dataset.yaml may lead out of its folder."),
]


Store = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Database of services: a path, or postgresql+pg8000://USER:PASSWORD@HOST/NAME.",
    ),
]

TokenFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Hashes of the tokens that clients need, with scopes."),
]
KeepIn = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Where images of `serve --keep` lie.")
]


def _keep_ids(context: typer.Context, *, keep: bool) -> None:
    context.with_resource(keeping_ids(keep=keep))


KeepIds = Annotated[
    bool,
    typer.Option(
        "--keep-ids",
        help="Show what DICOM headers say of a patient or an examination as it is, not hashed.",
        callback=_keep_ids,
        expose_value=False,
    ),
]
Form = Annotated[
    str | None,
    typer.Option("--from", metavar="FORMAT", help="Format of the data (default: detected)."),
]
Spec = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The classes: dataset.yaml or classes.txt (default: beside the class maps).",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(metavar="REGEX", help="Images whose keys have the same match are one group."),
]
GroupFile = Annotated[
    Path | None,
    typer.Option(metavar="CSV", help="Table of key,group, in place of --group."),
]
Refine = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Refiners of each image: 'crf', 'crf:w1=5,w2=1', a YAML file of a chain, or "
        "'none' (default: those of the Bundle).",
    ),
]
Tile = Annotated[
    str,
    typer.Option(
        "--tile",
        metavar="HxW",
        help="Cut images into tiles: 'auto' (images too large for the memory), 'off', or HxW.",
    ),
]
Overlap = Annotated[
    int | None,
    typer.Option(
        "--overlap",
        metavar="PX",
        help="Pixels that neighbouring tiles share (default: by the receptive field).",
    ),
]
MaxMemory = Annotated[
    str,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Memory of the network from which on '--tile auto' cuts an image: 2GB, 800MB.",
    ),
]
Tta = Annotated[
    str | None,
    typer.Option(
        metavar="VIEWS",
        help="Average over views of each image: flips, scales=0.75:1.25, or both by a comma.",
    ),
]
Dropout = Annotated[
    int,
    typer.Option(metavar="N", help="Average over N passes with active dropout (engine torch)."),
]
Engine = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Engine that runs MODEL (default: best one installed)."),
]
Engines = Annotated[
    str, typer.Option(metavar="NAMES", help="Engines, separated by commas, or 'all'.")
]
_SIZE = typer.Option("--size", metavar="HxW", help="Height and width of the input.")
Size = Annotated[str, _SIZE]
OwnSize = Annotated[str | None, _SIZE]
Precision = Annotated[
    str | None,
    typer.Option(
        metavar="P",
        help="Precision of the network: fp32, fp16, bf16, int8 (default: fp32, or that of the "
        "graph of MODEL).",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="One recipe value, such as optim.lr=3e-4; repeatable.",
    ),
]
Fold = Annotated[
    int | None,
    typer.Option(
        metavar="K", help="Validate on fold K of `split --folds`, train on all others."
    ),
]
NoParityImages = Annotated[
    bool, typer.Option("--no-parity-images", help="Keep no crops of images in the Bundle.")
]
Budget = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Time for the whole run: 90s, 40m, 1h30m or 1d."),
]
Epochs = Annotated[
    int | None, typer.Option(metavar="N", help="Passes over the training images.")
]
Steps = Annotated[
    int | None,
    typer.Option(metavar="N", help="Optimizer steps, validated in up to ten equal parts."),
]
Batch = Annotated[int | None, typer.Option(metavar="N", help="Images per step.")]
Crop = Annotated[
    str | None,
    typer.Option(metavar="HxW", help="Height and width of training crops, such as 256x512."),
]
Arch = Annotated[
    str | None, typer.Option(metavar="NAME", help="Architecture, one of `maskwright models`.")
]
Encoder = Annotated[str | None, typer.Option(metavar="NAME", help="Encoder, such as resnet34.")]
Init = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Whole network to start from: a Bundle, a run, hub:OWNER/NAME[@REVISION], or the "
        "folder or file of published weights.",
    ),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of all random numbers.")]
Device = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1, mps, xpu (default: a GPU if any)."),
]
Write = Annotated[
    str | None,
    typer.Option(
        metavar="KINDS",
        help="Kinds of files to write, separated by commas: classes, overlay, confidence, "
        "coverage (default: these), and formats of `convert`, such as cvat.",
    ),
]
MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping",
        metavar="FILE",
        help="Merge classes by this mapping file from now on: dataset.yaml names it.",
    ),
]
ProposeMapping = Annotated[
    Path | None,
    typer.Option(
        "--propose-mapping",
        metavar="FILE",
        help="Write a mapping file that merges classes, for --mapping.",
    ),
]
Align = Annotated[
    bool,
    typer.Option(
        "--align",
        help="Resample labels that lie elsewhere to the grid they belong to (nearest pixel).",
    ),
]
MinArea = Annotated[
    float, typer.Option(help="Leave out smaller regions, in the unit of areas.")
]
Fps = Annotated[
    float | None, typer.Option(help="Frames per second of a folder of frames (default: 25).")
]
Duration = Annotated[
    str | None, typer.Option(metavar="TIME", help="Stop after this time: 90s, 2h.")
]
Smooth = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="Smooth over time: the weight of earlier frames, 0 to below 1."
    ),
]
KeyframesEvery = Annotated[
    int,
    typer.Option(metavar="N", help="Run the network on every Nth frame, earlier on changes."),
]
MmPerPx = Annotated[
    float | None, typer.Option(help="Side of a pixel in mm (default: georeference, else px).")
]
Roi = Annotated[Path | None, typer.Option(help="GeoJSON with regions of interest.")]
Rules = Annotated[
    Path | None, typer.Option(help="File of limits; exit status 3 where one is broken.")
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Group by date, folder, folder:1, block:1km or PatientID of the files; with "
        "--group-file by this column.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue from the run's last checkpoint.")
]


Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace earlier results in the folder.")
]


ResumeFolder = Annotated[
    bool, typer.Option("--resume", help="Continue what an interrupted run has left.")
]


Trust = Annotated[
    str | None,
    typer.Option(
        metavar="SHA256", help="Run this code or graph, which was not made on this machine."
    ),
]

Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")]
Port = Annotated[
    int,
    typer.Option(min=0, max=65535, metavar="N", help="Port to listen on; 0 for a free one."),
]


def out_option(text: str) -> Any:
    """Give the option `-o/--out` the help `text`."""
    return typer.Option("-o", "--out", help=text)


def adopt_mapping_option(
    data: Path, mapping: Path | None, console: Console, *, allow_outside: bool
) -> None:
    """Let the dataset have the classes of `--mapping`, if it is given.

    Raises:
        ConfigError: The mapping does not fit, or several processes train.
    """
    if mapping is None:
        return
    if "LOCAL_RANK" in os.environ:
        raise ConfigError(
            f"--mapping {mapping}: several processes train here; run `maskwright check DATA "
            f"--mapping {mapping}` before"
        )
    from ..data.adopt import adopt_mapping

    note = adopt_mapping(data, mapping, allow_outside=allow_outside, progress=console.progress)
    console.say(note)


def fold_settings(fold: int | None) -> dict[str, str]:
    """The recipe values of `--fold`."""
    return {} if fold is None else {"data.val_split": f"fold{fold}"}


def require_torch() -> None:
    """Require torch before a verb begins.

    Raises:
        MissingDependencyError: It is not installed.
    """
    if find_spec("torch") is None:
        raise MissingDependencyError("torch", "train")


def crop_size(crop: str | None) -> list[int] | None:
    """Read `--crop`: `256x512` is [256, 512], `256` is [256, 256].

    Raises:
        ConfigError: Not one or two whole numbers.
    """
    if crop is None:
        return None
    sides = crop.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and side.isascii() for side in sides):
        raise ConfigError(f"--crop {crop!r}: expected HxW, for example 256x512")
    return [int(sides[0]), int(sides[-1])]


def parse_engines(text: str) -> list[str] | None:
    """Read `--engines`: names, or None for `all`."""
    return None if text == "all" else text.split(",")


def parse_size(text: str) -> tuple[int, int]:
    """Read `--size`: height and width.

    Raises:
        ConfigError: Another text.
    """
    sides = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", text, re.ASCII)
    if sides is None:
        raise ConfigError(f"--size {text!r}: expected HxW, such as 512x512")
    return int(sides[1]), int(sides[2])


def parse_share(text: str, *, option: str) -> float:
    """Read `1%` or `0.01` as a share of 1.

    Raises:
        ConfigError: Not a number, or not above 0 and at most 1.
    """
    try:
        number = text.strip().removesuffix("%")
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise ConfigError(f"{option} {text!r}: expected a share such as 1% or 0.01")
    return share
