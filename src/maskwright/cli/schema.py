"""`maskwright schema`: JSON schemas of the files that people write, for their editors."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.atomic import write_text
from ..core.errors import UnknownNameError
from .console import Console
from .options import AsJson, Quiet

KINDS = ("recipe", "dataset", "rules", "mapping", "chain", "alarms", "sites")


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"The file: {', '.join(KINDS)}.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FOLDER", help="Write KIND.schema.json into this folder."
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Print the JSON schema of a file, for an editor.

    Files that maskwright writes name the schema beside them.
    """
    document = make_schema(kind)
    if out is None:
        typer.echo(json.dumps(document, indent=1))
        return
    console = Console(as_json=as_json, quiet=quiet)
    path = out / f"{kind}.schema.json"
    write_text(path, json.dumps(document, indent=1) + "\n")
    console.say(f"written to {path}")
    console.result({"path": str(path)})


def make_schema(kind: str) -> dict[str, object]:
    """The JSON schema of one kind of file; every file may have `version`.

    Raises:
        UnknownNameError: There is no such kind.
    """
    document: dict[str, Any] = _load_model(kind).model_json_schema()
    document["properties"]["version"] = {"type": "integer", "minimum": 1}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _load_model(kind: str) -> Any:
    if kind == "recipe":
        from ..training.recipe import Recipe

        return Recipe
    if kind == "dataset":
        from ..data.classes.dataset_yaml import DatasetFile

        return DatasetFile
    if kind == "rules":
        from ..measurement.rules.rules import RulesFile

        return RulesFile
    if kind == "mapping":
        from ..data.classes.mapping import MappingFile

        return MappingFile
    if kind == "chain":
        from ..inference.refiner import ChainFile

        return ChainFile
    if kind == "alarms":
        from ..serving.watch.alarmfile import AlarmFile

        return AlarmFile
    if kind == "sites":
        from ..measurement.rules.sites import SitesFile

        return SitesFile
    raise UnknownNameError("schema", kind, KINDS)
