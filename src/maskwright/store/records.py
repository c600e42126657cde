"""Records: one row per predicted image of a server, for as long as rows are kept.

The first images of a Bundle are its reference, with which later ones are compared; they stay.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from ..core.observation import Families, Levels
from . import tables

Figures = Mapping[str, float | None]

TruthCounts = Sequence[Sequence[int]]
"""The counts of an image against its truth: rows are truth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One predicted image; `at` is in seconds since 1970, when its answer was ready.

    `model` and `version` are its name on the server, `bundle` the id. `seconds` are those of
    the whole request, `engine_s` of the engine alone. `uncertainty` is 1 - mean confidence.
    `families` are the numbers of its Observation, and `levels` the histograms of its channels.
    `figures` are what the rules of the server measure in its class map, by name; None where a
    figure is not known. `lot` is the batch that the image belongs to. `image` is the name of
    its kept files, "" where none are kept. `score` are the counts against its truth, None
    before that has come.
    """

    at: float
    model: str
    version: str
    bundle: str
    source: str
    key: str
    seconds: float
    engine_s: float
    num_px: int
    uncertainty: float
    families: Families
    levels: Levels = field(default_factory=dict)
    figures: Figures = field(default_factory=dict)
    lot: str = ""
    image: str = ""
    is_reference: bool = False
    score: TruthCounts | None = None
    n: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records: those of a Bundle and of a scope, where given, from `since` to `until`.

    A scope is a source, or what stands before a `/` in several. `after` chooses those with a
    larger number, `reference` those of the reference or the others, `scored` those with truth
    or without it, and `kept` those with files.
    """

    bundle: str | None = None
    scope: str = ""
    since: float | None = None
    until: float | None = None
    after: int | None = None
    reference: bool | None = None
    scored: bool | None = None
    kept: bool = False


class FigureRow(NamedTuple):
    """What control charts need of a record."""

    n: int
    at: float
    key: str
    source: str
    lot: str
    model: str
    figures: Figures


EVERY = RecordFilter()
_PAGE = 500


def add_records(connection: Connection, records: Iterable[Record]) -> None:
    """Add rows."""
    rows = [_to_row(record) for record in records]
    if rows:
        connection.execute(insert(tables.record), rows)


def list_records(
    connection: Connection, chosen: RecordFilter = EVERY, *, oldest: int | None = None
) -> list[Record]:
    """The records in the order in which they came; so many of them, where given."""
    query = _choose(select(tables.record), chosen).order_by(tables.record.c.n).limit(oldest)
    return [_to_record(row) for row in connection.execute(query)]


def read_records(connection: Connection, chosen: RecordFilter = EVERY) -> Iterator[Record]:
    """The records in the order in which they came, read in pages, which need little memory."""
    while page := list_records(connection, chosen, oldest=_PAGE):
        yield from page
        chosen = replace(chosen, after=page[-1].n)


def find_newest(connection: Connection, chosen: RecordFilter = EVERY) -> Record:
    """The record that came last, of one or more."""
    query = _choose(select(tables.record), chosen).order_by(tables.record.c.n.desc()).limit(1)
    return _to_record(connection.execute(query).one())


def list_figures(
    connection: Connection,
    chosen: RecordFilter = EVERY,
    *,
    oldest: int | None = None,
    newest: int | None = None,
) -> list[FigureRow]:
    """What was measured in the class maps of records, in the order in which they came.

    So many of the oldest or of the newest, where given.
    """
    c = tables.record.c
    query = select(c.n, c.at, c.key, c.source, c.lot, c.model, c.figures)
    query = _choose(query, chosen).where(c.figures.is_not(None))
    if newest is not None:
        found = connection.execute(query.order_by(c.n.desc()).limit(newest)).all()[::-1]
    else:
        found = connection.execute(query.order_by(c.n).limit(oldest)).all()
    return [
        FigureRow(r.n, r.at, r.key, r.source, r.lot or "", r.model, json.loads(r.figures))
        for r in found
    ]


def list_uncertain(
    connection: Connection, chosen: RecordFilter, most: int | None = None
) -> list[Record]:
    """The records in the order of their uncertainty; only the `most` uncertain, where given."""
    table = tables.record
    query = _choose(select(table), chosen).order_by(table.c.uncertainty.desc()).limit(most)
    return [_to_record(row) for row in connection.execute(query)]


def count_records(connection: Connection, chosen: RecordFilter = EVERY) -> int:
    """How many there are."""
    query = _choose(select(func.count()).select_from(tables.record), chosen)
    return int(connection.execute(query).scalar_one())


def list_bundles(connection: Connection) -> list[tuple[str, str]]:
    """The name of each model and its Bundle, the one that answered last first."""
    table = tables.record
    query = select(table.c.model, table.c.bundle).group_by(table.c.model, table.c.bundle)
    rows = connection.execute(query.order_by(func.max(table.c.n).desc()))
    return [(row.model, row.bundle) for row in rows]


def list_sources(connection: Connection, bundle: str) -> list[str]:
    """The sources of the images of a Bundle, in order."""
    table = tables.record
    query = select(table.c.source).where(table.c.bundle == bundle).distinct()
    return sorted(connection.execute(query).scalars())


def list_last_times(connection: Connection) -> list[tuple[tuple[str, str, str], float]]:
    """When each source of the newest Bundle of each model has sent its last image."""
    table = tables.record
    newest = dict(reversed(list_bundles(connection)))
    query = select(table.c.source, func.max(table.c.at).label("last")).group_by(table.c.source)
    return [
        ((model, bundle, row.source), row.last)
        for model, bundle in newest.items()
        for row in connection.execute(query.where(table.c.bundle == bundle))
    ]


def find_records(connection: Connection, key: str) -> list[Record]:
    """The records of one key, the newest first."""
    table = tables.record
    query = select(table).where(table.c.key == key).order_by(table.c.n.desc())
    return [_to_record(row) for row in connection.execute(query)]


def list_numbered(connection: Connection, numbers: Sequence[int]) -> list[Record]:
    """The records of these numbers, in their order; those that are gone are left out."""
    table = tables.record
    rows = connection.execute(select(table).where(table.c.n.in_(numbers)))
    found = {row.n: _to_record(row) for row in rows}
    return [found[n] for n in numbers if n in found]


def list_truth_counts(
    connection: Connection, chosen: RecordFilter
) -> list[tuple[str, int, TruthCounts]]:
    """Bundle, number and counts of images whose truth has come, in the order of the images."""
    c = tables.record.c
    query = _choose(select(c.bundle, c.n, c.score), replace(chosen, scored=True))
    rows = connection.execute(query.order_by(c.n))
    return [(row.bundle, row.n, json.loads(row.score)) for row in rows]


def mark_reference(connection: Connection, bundle: str, num: int) -> None:
    """Let the first `num` records of a Bundle be its reference."""
    table = tables.record
    first = select(table.c.n).where(table.c.bundle == bundle).order_by(table.c.n)
    last = connection.execute(first.offset(num - 1).limit(1)).scalar_one()
    is_first = (table.c.bundle == bundle) & (table.c.n <= last)
    connection.execute(update(table).where(is_first).values(is_reference=True))


def set_score(connection: Connection, n: int, score: TruthCounts) -> None:
    """Note the counts of an image against its truth."""
    table, text = tables.record, json.dumps([list(row) for row in score])
    connection.execute(update(table).where(table.c.n == n).values(score=text))


def forget_images(connection: Connection, names: Iterable[str]) -> None:
    """Note that files are no longer kept."""
    table = tables.record
    for name in names:
        connection.execute(update(table).where(table.c.image == name).values(image=""))


def forget_records(connection: Connection, before: float) -> list[str]:
    """Remove rows of before a time, but the reference; returns the names of their files."""
    table = tables.record
    old = (table.c.at < before) & table.c.is_reference.is_(False)
    kept = connection.execute(select(table.c.image).where(old, table.c.image != "")).scalars()
    names = list(kept)
    connection.execute(delete(table).where(old))
    return names


def _choose(query: Select[Any], chosen: RecordFilter) -> Select[Any]:
    table = tables.record.c
    if chosen.bundle is not None:
        query = query.where(table.bundle == chosen.bundle)
    if chosen.scope:
        inside = table.source.startswith(f"{chosen.scope}/", autoescape=True)
        query = query.where((table.source == chosen.scope) | inside)
    if chosen.since is not None:
        query = query.where(table.at >= chosen.since)
    if chosen.until is not None:
        query = query.where(table.at < chosen.until)
    if chosen.after is not None:
        query = query.where(table.n > chosen.after)
    if chosen.reference is not None:
        query = query.where(table.is_reference.is_(chosen.reference))
    if chosen.scored is not None:
        has_score = table.score.is_not(None)
        query = query.where(has_score if chosen.scored else ~has_score)
    return query.where(table.image != "") if chosen.kept else query


def _to_row(record: Record) -> dict[str, object]:
    """The columns of a new row; the database gives its number."""
    values = asdict(record) | {
        "families": _write_json(record.families),
        "levels": _write_json(record.levels),
        "figures": _write_json(record.figures),
        "score": None if record.score is None else json.dumps(record.score),
    }
    del values["n"]
    return values


def _write_json(document: Mapping[str, object]) -> str | None:
    """NULL for nothing, as in rows of before the column."""
    return json.dumps(document, allow_nan=False, separators=(",", ":")) if document else None


def _to_record(row: Row[Any]) -> Record:
    values = {
        "families": json.loads(row.families),
        "levels": json.loads(row.levels or "{}"),
        "figures": json.loads(row.figures or "{}"),
        "lot": row.lot or "",
        "score": None if row.score is None else json.loads(row.score),
    }
    return Record(**{**row._mapping, **values})
