"""`maskwright drift`: whether the images that a model sees have changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.observation import TITLES
from ..pages.text import format_count, text_table
from .console import BAD_VERDICT, Console
from .options import AsJson, Quiet

if TYPE_CHECKING:
    from ..monitoring.drift import Drift

_HEADS = ("family", "distance", "p", "adjusted p", "")

Observations = Annotated[
    Path,
    typer.Argument(
        help="observations.ndjson of `predict --write observations`, or its folder."
    ),
]


Reference = Annotated[
    Path,
    typer.Argument(
        help="The same of before; or a Bundle or a run: its validation images.",
    ),
]


def drift(
    reference: Reference,
    current: Observations,
    *,
    independent: Annotated[
        bool,
        typer.Option(
            "--independent",
            help="Images do not depend on their neighbours.",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Tell whether images have changed, and in what.

    Exit status 3 where a family of numbers has changed.
    """
    console = Console(as_json=as_json, quiet=quiet)
    from ..core.bundle import find_baseline
    from ..core.observation import read_observations
    from ..monitoring.drift import compare_observations
    from ..monitoring.groups import Observed

    sets = [
        Observed.gather(read_observations(path), where=str(path))
        for path in (find_baseline(reference) or reference, current)
    ]
    found = compare_observations(*sets, independent=independent)
    for line in _describe(found):
        console.say(line)
    console.result(found.to_json())
    if found.changed:
        raise typer.Exit(BAD_VERDICT)


def _describe(found: "Drift") -> Iterator[str]:
    before, after = found.num_groups
    yield (
        f"{format_count(found.num_images[0], 'image')} in {format_count(before, 'group')}, "
        f"compared with {found.num_images[1]} in {after}; a group is "
        f"{format_count(found.group_size, 'image')}"
    )
    rows = [
        (
            TITLES[name],
            f"{one.distance:.3f}",
            f"{one.p:.3f}",
            f"{one.adjusted_p:.3f}",
            "changed" if name in found.changed else "",
        )
        for name, one in found.families.items()
    ]
    yield from text_table(_HEADS, rows, words=(0, 4))
    for name in found.changed:
        yield f"{TITLES[name]}:"
        for effect in found.families[name].effects:
            low, high = effect.interval
            yield (
                f"  {effect.name}: {effect.before:.4g} -> {effect.after:.4g}, difference "
                f"{effect.after - effect.before:+.3g} ({low:+.3g} to {high:+.3g}), "
                f"{effect.size:+.1f} standard deviations of the reference"
            )
    for name in found.left_out:
        yield f"not compared: {TITLES[name]}, which one set lacks or another model made"
    if len(found.models) > 1:
        yield f"the sets are of {len(found.models)} models: {', '.join(found.models)}"
    if found.learning:
        from ..monitoring.groups import MIN_GROUPS

        yield (
            f"learning: the reference has {before} of the {MIN_GROUPS} groups from which on "
            f"anything is called a change; give it more images"
        )
    elif not found.changed:
        yield "no change: differences as large come from the order of the images alone"
