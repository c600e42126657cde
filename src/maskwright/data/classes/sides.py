"""Classes of one side, left or right, which a mirrored image exchanges."""

import re
from collections.abc import Sequence

_WORDS = {"left": "right", "lt": "rt", "lh": "rh", "l": "r"}
_OTHER = {**_WORDS, **{right: left for left, right in _WORDS.items()}}
_LONG = frozenset({"left", "right"})
"""Words that mean a side even where the other side has no class."""

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def find_sided_classes(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classes that are of one side, in the order of `names`.

    `left_kidney` and `right_kidney`, `lung_L` and `lung_R`, `Kidney left`, `KidneyLeft`. The
    words left and right alone mean a side; abbreviations do where both sides are there.
    """
    parts = {name: tuple(p.lower() for p in _PART.findall(name)) for name in names}
    there = set(parts.values())
    return tuple(name for name in names if _is_sided(parts[name], there))


def _is_sided(parts: tuple[str, ...], there: set[tuple[str, ...]]) -> bool:
    if _LONG & set(parts):
        return True
    return any(
        (*parts[:index], _OTHER[part], *parts[index + 1 :]) in there
        for index, part in enumerate(parts)
        if part in _OTHER
    )
