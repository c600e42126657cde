"""Propose a mapping file that merges classes: a text to read, correct and use.

Every class stands in it, so that it is complete, and the reason of each merge is a comment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.atomic import write_text
from ...core.errors import ConfigError, OutputError
from ...core.labels import ClassDef, LabelSpec
from ...core.yamlfile import SCHEMA_LINE, dump_yaml
from ...pages.text import list_names
from .kinds import BACKGROUND_NAMES

RARE, OTHER = 3, "other"
"""Classes in fewer masks than splits can share cannot be learnt and scored: they merge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Classes that become one: their names, why, and the name of the new class, "" to join."""

    names: tuple[str, ...]
    reason: str
    name: str = ""


def propose_rare_merge(images: Mapping[str, int]) -> list[Merge]:
    """Merge the classes that are in fewer than `RARE` masks, but the background.

    `images` are the masks with each class. A rare class alone joins the next rarest one.
    """
    counts = {n: c for n, c in images.items() if n.lower() not in BACKGROUND_NAMES}
    order = sorted(counts, key=lambda name: counts[name])
    num_rare = sum(count < RARE for count in counts.values())
    if not num_rare or len(order) < 2:
        return []
    merged = set(order[: max(2, num_rare)])
    names = tuple(name for name in counts if name in merged)
    return [Merge(names=names, reason=f"each in fewer than {RARE} masks", name=OTHER)]


def format_mapping(spec: LabelSpec, merges: Sequence[Merge]) -> str:
    """The text of a mapping file for the classes `spec`; no two merges share a class."""
    merge_of = {name: merge for merge in merges for name in merge.names}
    taken = set(spec.names) - merge_of.keys()
    lines = [
        SCHEMA_LINE.format("mapping"),
        "# Proposed by maskwright: read it, correct it, and use it with",
        "#   maskwright check DATA --mapping THIS_FILE",
        "classes:",
    ]
    written: set[str] = set()
    for entry in spec:
        merge = merge_of.get(entry.name)
        if merge is None:
            lines.append(_format_entry(entry, entry.name, (entry.name,), ""))
        elif merge.names[0] not in written:
            written.update(merge.names)
            name = _choose_name(merge, taken)
            taken.add(name)
            lines.append(_format_entry(entry, name, merge.names, merge.reason))
    return "\n".join(lines) + "\n"


def write_proposal(path: Path, spec: LabelSpec | None, merges: Sequence[Merge]) -> str:
    """Write the mapping file for the classes `spec`, None where they are unclear.

    Returns a sentence on what it does and how it is used.

    Raises:
        OutputError: The file exists, or cannot be written.
        ConfigError: Nothing is to be merged.
    """
    if path.exists():
        raise OutputError(f"{path}: exists; name another file, or remove it")
    joined = join_merges(merges)
    if spec is None or not joined:
        raise ConfigError(
            f"{path}: not written, since no classes ask to be merged: none are alike, too rare "
            f"or not told apart; write a mapping file by hand"
        )
    write_text(path, format_mapping(spec, joined))
    merged = "; ".join(list_names(merge.names, most=6) for merge in joined)
    return f"{path} merges {merged}; use it: maskwright check DATA --mapping {path}"


def join_merges(merges: Iterable[Merge]) -> list[Merge]:
    """Merges of which no two share a class, in the order of their first class."""
    joined: list[Merge] = []
    for merge in merges:
        shared = [other for other in joined if set(other.names) & set(merge.names)]
        names = dict.fromkeys(n for m in (*shared, merge) for n in m.names)
        reasons = dict.fromkeys(m.reason for m in (*shared, merge))
        name = next((m.name for m in (*shared, merge) if m.name), "")
        joined = [other for other in joined if other not in shared]
        joined.append(Merge(names=tuple(names), reason="; ".join(reasons), name=name))
    return joined


def _choose_name(merge: Merge, taken: set[str]) -> str:
    name = base = merge.name or "_or_".join(merge.names)
    number = 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _format_entry(entry: ClassDef, name: str, names: Sequence[str], reason: str) -> str:
    values: dict[str, object] = {"name": name, "from": list(names)}
    values |= {"color": list(entry.color), "kind": entry.kind}
    comment = f"  # {reason}" if reason else ""
    return f"  - {dump_yaml(values, flow=True)}{comment}"
