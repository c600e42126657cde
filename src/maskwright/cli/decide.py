"""`maskwright decide`: choose the thresholds of a model for verdicts on parts."""

from pathlib import Path
from typing import Annotated

import typer

from .console import Console
from .options import (
    AllowOutside,
    AsJson,
    Data,
    Engine,
    Group,
    KeepIds,
    Model,
    Overwrite,
    Quiet,
    out_option,
    parse_share,
)


def decide(
    model: Model,
    data: Data,
    *,
    out: Annotated[Path, out_option("Bundle to write, with the thresholds.")],
    miss: Annotated[
        str, typer.Option(metavar="PERCENT", help="Share of the parts that may be missed.")
    ] = "1%",
    by: Annotated[str, typer.Option(help="What a part is: 'image' or 'group'.")] = "image",
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B", help="Classes to report (default: things, or all but background)."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="The split to choose the thresholds on.")] = "val",
    group: Group = None,
    engine: Engine = None,
    overwrite: Overwrite = False,
    _keep_ids: KeepIds = False,
    allow_outside: AllowOutside = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Choose thresholds for verdicts: ok, or a defect.

    They are tested on the split 'test', if there is one, and lie in the Bundle.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.results import WriteMode
    from ..core.verdict import parse_by
    from ..data.dataset import open_dataset
    from ..evaluation.verdicts.choice import RuleOptions
    from ..evaluation.verdicts.decide import decide as run
    from ..evaluation.verdicts.page import summarize_choice

    options = RuleOptions(
        miss=parse_share(miss, option="--miss"),
        by=parse_by(by),
        classes=None if classes is None else tuple(classes.split(",")),
        split=split,
        group=group,
    )
    bundle, choice = run(
        model,
        open_dataset(data, allow_outside=allow_outside, progress=console.progress),
        out,
        options=options,
        engine=engine,
        mode=WriteMode(overwrite=overwrite),
        progress=console.progress,
    )
    console.say(summarize_choice(choice))
    console.say(f"bundle  {bundle.root}  ({bundle.model_id})")
    console.result({"bundle": str(bundle.root)} | choice.to_json() | {"id": bundle.model_id})
