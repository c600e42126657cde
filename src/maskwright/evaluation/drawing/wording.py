"""The name, the explanation and the unit of each score, for pages and tables.

The words come from the metric families. A score that none of them lists is shown under its own
name: `a_new_score` is "A new score", and one whose name ends in `_px` or `_mm` is a length.
"""

from dataclasses import dataclass
from functools import cache

from ...metrics.family import ScoreText, all_families

IMAGE_PREFIX = "image_mean_"
"""Before the name of a score of single images that was averaged over them."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A score in words; `unit` is "%", "px", "mm", "n" for counts or "" for a plain number.

    `family` is the title of its family, `chart` how a curve is drawn. Without `has_interval`,
    and in "n", it has no interval; without `has_column` it is in no table of classes,
    without `has_bar` its column there has no bars.
    """

    name: str
    explanation: str
    unit: str
    family: str
    chart: str = "line"
    has_interval: bool = True
    has_column: bool = True
    has_bar: bool = True


@cache
def sections() -> dict[str, str]:
    """Title of each section of families -> the note below it, in the order of pages."""
    notes: dict[str, str] = {}
    for family in all_families().values():
        if family.TITLE:
            notes[family.TITLE] = notes.get(family.TITLE) or family.NOTE
    return notes


@cache
def main_scores() -> frozenset[str]:
    """The score of each family that comes first in tables, as a bar."""
    return frozenset(family.MAIN for family in all_families().values())


def wording(key: str) -> Wording:
    """The words for a score; the words of `miou` for `image_mean_miou` too."""
    bare = key.removeprefix(IMAGE_PREFIX)
    stem = bare.removesuffix("_px").removesuffix("_mm")
    text, title = _texts().get(stem, (ScoreText(), next(iter(sections()))))
    unit = bare.removeprefix(stem).removeprefix("_") or text.unit
    return Wording(
        name=text.name or _spell(stem),
        explanation=text.explanation,
        unit=unit,
        family=title,
        chart=text.chart,
        has_interval=text.has_interval,
        has_column=text.has_column,
        has_bar=text.has_bar,
    )


@cache
def _texts() -> dict[str, tuple[ScoreText, str]]:
    """Key of a score -> its words, and the title of its family."""
    return {
        key: (text, f.TITLE) for f in all_families().values() for key, text in f.TEXTS.items()
    }


def _spell(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]
