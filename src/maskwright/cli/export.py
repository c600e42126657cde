"""`maskwright export`: add a graph in another file format to a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.duration import budget_seconds
from .console import Console
from .options import (
    AcceptLicence,
    AllowOutside,
    AsJson,
    KeepIds,
    MaxDrop,
    Model,
    NoParityImages,
    Overwrite,
    OwnSize,
    Quiet,
    out_option,
    parse_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.graph import Graph


Unverified = Annotated[
    bool,
    typer.Option(
        "--unverified",
        help="Write a graph that cannot run on this machine, with a script that tests it.",
    ),
]
Qat = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Train a graph of int8 that loses too much for so long, such as 5m.",
    ),
]
Inside = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Also write the graph with these inside: normalise, argmax, or both.",
    ),
]


def export(
    model: Model,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="DATA", help="Test on its validation images, not on the kept ones."
        ),
    ] = None,
    *,
    to: Annotated[
        str, typer.Option(metavar="TARGET", help="File format of the graph, such as onnx.")
    ],
    out: Annotated[Path, out_option("Bundle to write.")],
    precision: Annotated[
        str | None, typer.Option(help="Precision of the graph (default: first of TARGET).")
    ] = None,
    unverified: Unverified = False,
    max_drop: MaxDrop = None,
    qat: Qat = None,
    inside: Inside = None,
    size: OwnSize = None,
    no_parity_images: NoParityImages = False,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    accept_licence: AcceptLicence = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add a tested graph to MODEL, or make a Bundle of it."""
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..export.bundle import export_model
    from ..export.inside import parse_parts

    console.say(f"writing the graph {to} and comparing it with the network")
    bundle = export_model(
        model,
        out,
        to=to,
        data=data,
        allow_outside=allow_outside,
        precision=precision,
        unverified=unverified,
        max_drop_points=_read_drop(max_drop, precision),
        qat_s=_read_qat(qat, precision),
        inside=() if inside is None else parse_parts(inside),
        size_HW=None if size is None else parse_size(size),
        keep_parity_images=not no_parity_images,
        accept_licence=accept_licence,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
        log=console.say,
    )
    for graph in bundle.graphs[-1 if inside is None else -2 :]:
        console.say_all(_describe(graph, data, bundle.root))
    console.say(f"bundle  {bundle.root}  ({bundle.model_id})")
    graphs = [one.to_json() for one in bundle.graphs]
    console.result({"bundle": str(bundle.root), "model_id": bundle.model_id, "graphs": graphs})


def _describe(graph: "Graph", data: Path | None, root: Path) -> "Iterator[str]":
    """How the graph was compared with the network, and what came out."""
    if graph.parity is None:
        yield f"{graph.file}: NOT compared with the network; it runs on {graph.engine}"
        return
    if graph.inside:
        parts = ", ".join(graph.inside)
        yield f"{graph.file}: {parts} inside, {graph.parity.equal_pixel_share:.2%} agree"
        return
    where = "the parity images of the bundle alone" if data is None else f"images of {data}"
    yield (
        f"{graph.file}: largest difference of logits "
        f"{graph.parity.largest_logit_difference:.3g} on {graph.parity.num_images} images "
        f"({where})"
    )
    if graph.quality is not None:
        yield f"network -> {graph.file}: {graph.quality}"
    if graph.precision == "int8":
        stem = root / graph.file.removesuffix(".onnx")
        yield f"path of the search, every layer  {stem}.json, {stem}.svg"


def _read_qat(qat: str | None, precision: str | None) -> float | None:
    """The seconds of `--qat`; raises ConfigError where it has no sense."""
    if qat is not None and precision != "int8":
        from ..core.errors import ConfigError

        raise ConfigError(
            f"--qat {qat} with precision {precision}: trains a graph of int8; use it with "
            f"--precision int8"
        )
    return budget_seconds(qat, option="--qat")


def _read_drop(max_drop: float | None, precision: str | None) -> float:
    """The points of mIoU that `--max-drop` allows; raises ConfigError where it has no sense."""
    from ..core.errors import ConfigError
    from ..export.quantize.search import MAX_DROP_POINTS

    if max_drop is None:
        return MAX_DROP_POINTS
    if precision != "int8" or not 0 <= max_drop <= 100:
        raise ConfigError(
            f"--max-drop {max_drop:g} with precision {precision}: expected points of mIoU from "
            f"0 to 100, and --precision int8, which may lose them"
        )
    return max_drop
