"""`POST /v1/truth`: the truth of an image that was predicted before, by its key."""

import asyncio
import json
import math

from starlette.requests import Request
from starlette.responses import Response

from ..core.confusion import Confusion
from ..core.scores import iou, mean_iou
from ..core.versioned import Document
from ..pages.text import list_names
from ..store.records import Record, find_records, set_score
from .errors import ServingError
from .messages import SCORE, Task
from .receiving import expect_bytes, read_upload
from .responses import answer_json
from .service import Service
from .watch.keeper import to_map
from .watch.watching import Watch, require_watch


async def add_truth(service: Service, request: Request) -> Response:
    """Score the class map that was predicted for a key; a second truth takes the first's place.

    Raises:
        ServingError: 400 without a key or for another file than a class map, 404 for a key of
            which no class map is kept, 501 where the server writes no rows.
    """
    watch = require_watch(service.watch)
    with service.admission.hold_bytes(expect_bytes(request, service.limits)):
        upload = await read_upload(request, service.limits)
        values = {**upload.fields, **request.query_params}
        record, predicted = await asyncio.to_thread(
            _find_map, watch, values.get("key", ""), values.get("model")
        )
        suffix, num_px = service.find_suffix(upload.content, upload.name)
        task = Task(
            id=0,
            suffix=suffix,
            num_px=num_px,
            name=f"truth of {record.key}",
            form=SCORE,
            map_bytes=len(predicted),
            timeout_s=service.limits.request_s,
        )
        with service.models.choose(record.model).lease() as version:
            outcome = await service.score(version, task, upload.content + predicted)
    counts = json.loads(outcome.body)

    def note() -> None:
        with watch.database.write() as connection:
            set_score(connection, record.n, counts)

    await asyncio.to_thread(note)
    return answer_json(_describe(record, counts))


def _find_map(watch: Watch, key: str, model: str | None) -> tuple[Record, bytes]:
    """The newest record of a key whose class map is kept, and the map."""
    if not key:
        raise ServingError(400, "name the image: ?key=, its X-Request-Id")
    with watch.database.read() as connection:
        found = find_records(connection, key)
    records = [r for r in found if model in (None, r.model)]
    if not records:
        names = list_names(sorted({record.model for record in found}))
        more = f" of model {model}; it has {names}" if found else ""
        raise ServingError(404, f"no image with the key {key!r}{more}")
    for record in records:
        if watch.keeper is not None and record.image:
            file = to_map(watch.keeper.folder / record.image)
            if file.is_file():
                return record, file.read_bytes()
    raise ServingError(
        404, f"the class map of {key!r} is not kept; --keep 100% keeps all, within its quota"
    )


def _describe(record: Record, counts: list[list[int]]) -> Document:
    names = list(record.families["classes"])
    confusion = Confusion.from_json(counts, len(names))
    values = {
        name: _round(value) for name, value in zip(names, iou(confusion).tolist(), strict=True)
    }
    return {
        "key": record.key,
        "model": record.model,
        "bundle": record.bundle,
        "pixels": confusion.num_pixels,
        "mean_iou": _round(float(mean_iou(confusion))),
        "iou": values,
    }


def _round(value: float) -> float | None:
    """Four digits; None for a class that is absent."""
    return None if math.isnan(value) else round(float(value), 4)
