"""Relabel queue: kept images that are worth labelling, as a dataset for `check` and the studio.

Images of sources and times with an open alarm of drift come first, then those of which the
model was least sure; images with truth and repeated ones are left out. The masks are the
predicted class maps, to be corrected. A key or source that is no plain name is a hash.

dataset.yaml                   the classes, and which Bundle drew the masks
images/<source>/<key>.<ending>
masks/<source>/<key>.png
queue.csv                      key, source, time, confidence, and why it is here: drift or
                               uncertain, and what that means for this image
"""

import hashlib
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from PIL import Image

from ...core.atomic import new_folder
from ...core.codec import LabelCodec
from ...core.errors import DataError, OutputError
from ...core.labels import ClassDef, LabelSpec
from ...data.classes.codec import write_dataset_file
from ...data.classes.dataset_yaml import FILE_NAME, DatasetFile
from ...monitoring.reference import list_scopes
from ...pages.csvfile import write_rows
from ...pages.text import format_count
from ...store.alarms import Alarm, list_alarms
from ...store.database import Database
from ...store.records import (
    Record,
    RecordFilter,
    count_records,
    list_bundles,
    list_uncertain,
)
from .judge import name_drift
from .keeper import to_map

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_ALARMS = 1000
DRIFT, UNCERTAIN = "drift", "uncertain"


@dataclass(frozen=True, slots=True)
class Queued:
    """An image of the queue, its key in the dataset, and why it is there.

    `detail` says it for people: what its alarm found, or how sure the model is beside others.
    """

    record: Record
    key: str
    reason: str
    detail: str


def write_relabel(database: Database, kept: Path, out: Path, most: int) -> list[Queued]:
    """Write the queue of the Bundle that answered last, at most `most` images.

    Raises:
        DataError: No image is kept.
        OutputError: The folder is there already, or cannot be written.
    """
    if out.exists():
        raise OutputError(f"{out}: is there already; name another folder")
    with database.read() as connection:
        bundles = list_bundles(connection)
        bundle = bundles[0][1] if bundles else ""
        chosen = RecordFilter(bundle=bundle, kept=True, scored=False)
        records = list_uncertain(connection, chosen)
        num_scored = count_records(connection, replace(chosen, scored=True))
        alarms = list_alarms(connection, most=_MOST_ALARMS)
    there = [record for record in records if (kept / record.image).is_file()]
    if not there and num_scored and not records:
        raise DataError(
            f"{kept}: all {format_count(num_scored, 'kept image')} of the Bundle that answered "
            f"last have truth already"
        )
    if not there:
        raise DataError(
            f"{kept}: no image of the Bundle that answered last is kept here; serve with "
            f"--keep 1%, or name the folder with --keep-in"
        )
    queue = [
        _queue(record, alarms, _describe_rank(record, rank, len(there)))
        for rank, record in enumerate(there, start=1)
    ]
    queue.sort(key=lambda one: (one.reason != DRIFT, -one.record.uncertainty))
    first = list(islice(_leave_out_repeated(queue, kept), most))
    with new_folder(out) as folder:
        _write(first, kept, folder)
    return first


def _describe_rank(record: Record, rank: int, num: int) -> str:
    return f"{1 - record.uncertainty:.1%} confident, place {rank} of {num} from the least"


def _queue(record: Record, alarms: Sequence[Alarm], rank: str) -> Queued:
    parts = [part for part in record.source.split("/") if part]
    key = "/".join(map(_make_plain, (*parts, record.key)))
    topics = {name_drift(record.bundle, scope) for scope in list_scopes(record.source)}
    for alarm in alarms:
        if alarm.topic in topics and alarm.began <= record.at <= (alarm.ended or record.at):
            said = str(alarm.document.get("text", ""))
            return Queued(record, key, DRIFT, f"{alarm.level} {alarm.n}: {said}; {rank}")
    return Queued(record, key, UNCERTAIN, rank)


def _make_plain(name: str) -> str:
    """The name where it is a plain one, else a hash of it."""
    return name if _PLAIN.fullmatch(name) else hashlib.sha256(name.encode()).hexdigest()[:16]


def _leave_out_repeated(queue: Sequence[Queued], kept: Path) -> Iterator[Queued]:
    """The images whose files and keys differ from those of the images before them."""
    seen: set[object] = set()
    for one in queue:
        content = hashlib.sha256((kept / one.record.image).read_bytes()).digest()
        if not seen & {content, one.key}:
            yield one
            seen |= {content, one.key}


def _write(queue: Sequence[Queued], kept: Path, out: Path) -> None:
    spec = _read_classes(queue[0].record, to_map(kept / queue[0].record.image))
    source = f"predicted by {queue[0].record.model}, Bundle {queue[0].record.bundle}"
    write_dataset_file(out / FILE_NAME, DatasetFile(source=source), LabelCodec.identity(spec))
    for one in queue:
        file = kept / one.record.image
        for path, where in ((file, "images"), (to_map(file), "masks")):
            to = out / where / f"{one.key}{path.suffix}"
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, to)
    with (out / "queue.csv").open("w", newline="", encoding="utf-8") as stream:
        write_row = write_rows(stream)
        write_row(("key", "source", "time", "confidence", "reason", "why"))
        for one in queue:
            write_row(_describe(one))


def _describe(one: Queued) -> tuple[str, ...]:
    return (
        one.key,
        one.record.source,
        datetime.fromtimestamp(one.record.at, UTC).isoformat(timespec="seconds"),
        f"{1 - one.record.uncertainty:.4f}",
        one.reason,
        one.detail,
    )


def _read_classes(record: Record, file: Path) -> LabelSpec:
    """The classes by the names in a row and the palette of a class map."""
    with Image.open(file) as image:
        palette = image.getpalette() or []
    names = list(record.families["classes"])
    colors = [tuple(palette[3 * k : 3 * k + 3]) for k in range(len(names))]
    return LabelSpec(
        tuple(
            ClassDef(name=name, color=(color[0], color[1], color[2]))
            for name, color in zip(names, colors, strict=True)
        )
    )
