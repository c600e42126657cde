"""splits.json: the keys of each split, saved with their hash.

The file lies beside dataset.yaml and takes precedence over the names of folders.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from ...core.atomic import write_json
from ...core.errors import DataError, shorten
from ...core.jsonfile import read_json
from ...core.pseudonyms import spell
from ...core.typed import MALFORMED, require_types
from ...core.versioned import Schema
from ..entries.scan import Entry
from .patterns import search_keys

FILE_NAME = "splits.json"
SCHEMA = Schema(
    kind="splits file",
    version=2,
    unversioned=1,
    key="version",
    upgrades={1: lambda document: {**document, "groups": {}}},
)
"""Version 2 has the groups of a table."""

_FIX = "draw them again with `maskwright split --redraw`"
_FOLD = re.compile(r"fold\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFile:
    """Keys by split, and how they were drawn.

    `group` is a regular expression or None; `groups` are those of a table, by key. Folds are
    splits called `fold0`, `fold1` and so on.
    """

    splits: dict[str, tuple[str, ...]]
    val: float
    test: float
    seed: int
    group: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the keys in every split; changes when an image moves to another split."""
        text = json.dumps({s: sorted(k) for s, k in self.splits.items()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> dict[str, object]:
        """The content of splits.json."""
        return SCHEMA.stamp(
            {
                "val": self.val,
                "test": self.test,
                "group": self.group,
                "groups": dict(self.groups),
                "seed": self.seed,
                "splits": {split: list(keys) for split, keys in self.splits.items()},
                "sha256": self.sha256,
            }
        )

    def write(self, path: Path) -> None:
        """Write splits.json atomically."""
        path.parent.mkdir(exist_ok=True)
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read splits.json.

        Raises:
            DataError: Not of this layout, or changed since it was written.
        """
        try:
            document = SCHEMA.read(read_json(path, fix=_FIX), where=str(path))
            file = cls(
                splits={s: tuple(k) for s, k in document["splits"].items()},
                val=document["val"],
                test=document["test"],
                seed=document["seed"],
                group=document["group"],
                groups=dict(document["groups"]),
            )
            require_types(file)
            claimed = document["sha256"]
        except MALFORMED as error:
            raise DataError(
                f"{path}: not a splits file ({shorten(repr(error), 200)}); {_FIX}"
            ) from error
        if claimed != file.sha256:
            raise DataError(f"{path}: keys changed since the splits were drawn; {_FIX}")
        return file.spell_keys()

    def spell_keys(self) -> Self:
        """The same file with its keys as `--keep-ids` of this call spells them."""
        return replace(
            self,
            splits={s: tuple(map(spell, keys)) for s, keys in self.splits.items()},
            groups={spell(key): group for key, group in self.groups.items()},
        )

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> Self:
        """The splits that entries have; nothing is drawn."""
        splits: dict[str, list[str]] = {}
        for entry in entries:
            splits.setdefault(entry.split, []).append(entry.key)
        total = sum(map(len, splits.values()))
        val, test = (len(splits.get(name, ())) / total for name in ("val", "test"))
        keys = {split: tuple(names) for split, names in splits.items()}
        return cls(splits=keys, val=val, test=test, seed=0)

    def apply(self, entries: Iterable[Entry], *, where: Path) -> tuple[Entry, ...]:
        """The entries with the splits and groups of this file.

        Raises:
            DataError: An image is in no split, or a key has no image.
        """
        split_of = {key: split for split, keys in self.splits.items() for key in keys}
        entries = self.assign_groups(entries)
        unassigned = [e.key for e in entries if e.key not in split_of]
        missing = sorted(set(split_of) - {e.key for e in entries})
        for keys, problem in ((unassigned, "is in no split"), (missing, "has no image")):
            if keys:
                more = f" (nor do {len(keys) - 1} more)" if len(keys) > 1 else ""
                raise DataError(
                    f"{where}: {keys[0]!r} {problem}{more}; {_FIX}, remove {where.name}, or "
                    f"add new images to train with --keep val --keep test"
                )
        return tuple(replace(e, split=split_of[e.key]) for e in entries)

    def assign_groups(self, entries: Iterable[Entry]) -> tuple[Entry, ...]:
        """The entries with the groups of this file, of its table or of its expression."""
        grouped = assign_groups(entries, self.group)
        return tuple(replace(e, group=self.groups.get(e.key, e.group)) for e in grouped)


def list_folds(splits: Iterable[str]) -> list[str]:
    """The folds among the names of splits, in the order of their numbers."""
    return sorted(filter(_FOLD.fullmatch, splits), key=lambda name: int(name[4:]))


def assign_groups(entries: Iterable[Entry], pattern: str | None) -> Sequence[Entry]:
    """The entries with the groups that `pattern` finds in their keys; unchanged without one."""
    entries = tuple(entries)
    if pattern is None:
        return entries
    groups = match_groups([entry.key for entry in entries], pattern)
    return tuple(replace(e, group=group) for e, group in zip(entries, groups, strict=True))


def match_groups(keys: Sequence[str], pattern: str) -> list[str]:
    """The first group of the pattern's match in each key, or the whole match.

    Raises:
        ConfigError: Not a regular expression, or one that takes too long.
        DataError: A key does not match.
    """
    groups = search_keys(keys, pattern)
    missed = [key for key, group in zip(keys, groups, strict=True) if group is None]
    if missed:
        raise DataError(
            f"group {shorten(pattern)!r} matches nothing in {missed[0]!r} and "
            f"{len(missed) - 1} other keys; widen the expression"
        )
    return [group for group in groups if group is not None]
