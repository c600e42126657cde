"""`POST /v1/predict`: one image in, one answer out, in the form that the client asks for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

from ..core.errors import UnknownNameError
from .errors import ServingError
from .messages import Outcome, Task
from .models import Version
from .receiving import Upload, expect_bytes, read_upload, run_unless_gone
from .service import Service
from .watch.origin import Origin

FORMS = (
    "json",
    "png",
    "raw",
    "geojson",
    "overlay",
    "confidence",
    "coverage",
    "verdict",
)
_BY_TYPE = {
    "*/*": "json",
    "application/*": "json",
    "image/*": "png",
    "application/json": "json",
    "image/png": "png",
    "application/octet-stream": "raw",
    "application/geo+json": "geojson",
    "image/jpeg": "overlay",
}
KEY = "x-key"
"""Header of what a canary keeps together: a client, a camera, a line."""

_NAMES = {"model", "version", "format", "order", "confidence", "tile", "refine", "timeout"}
_YES, _NO = ("1", "true", "yes"), ("0", "false", "no", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOptions:
    """What a client asks for, by the query and by fields of a form; None leaves the choice."""

    form: str
    model: str | None = None
    version: str | None = None
    order: str = "columns"
    confidence: bool = False
    tile: str | None = None
    refine: str | None = None
    timeout_s: float = 60.0

    @classmethod
    def from_text(cls, values: Mapping[str, str], accept: str, most_s: float) -> Self:
        """Read the options.

        Raises:
            ServingError: 400 for an unknown name or value, 406 where no form is acceptable.
        """
        unknown = sorted(set(values) - _NAMES)
        if unknown:
            raise ServingError(400, str(UnknownNameError("option", unknown[0], sorted(_NAMES))))
        confidence = values.get("confidence", "").lower()
        if confidence not in (*_YES, *_NO):
            raise ServingError(400, f"confidence is {confidence!r}; use true or false")
        return cls(
            form=values["format"] if "format" in values else _choose_form(accept),
            model=values.get("model"),
            version=values.get("version"),
            order=values.get("order", "columns"),
            confidence=confidence in _YES,
            tile=values.get("tile"),
            refine=values.get("refine"),
            timeout_s=_read_timeout(values.get("timeout"), most_s),
        )


def _choose_form(accept: str) -> str:
    """The form of the media type that the client prefers, by order and `q`."""
    ranked = []
    for position, entry in enumerate(filter(None, accept.split(","))):
        media_type, *settings = (word.strip() for word in entry.split(";"))
        quality = next((s[2:] for s in settings if s.startswith("q=")), "1")
        try:
            ranked.append((-float(quality), position, media_type.lower()))
        except ValueError as error:
            raise ServingError(400, f"Accept: q is {quality!r}, expected a number") from error
    for rank, _, media_type in sorted(ranked):
        if rank < 0 and media_type in _BY_TYPE:
            return _BY_TYPE[media_type]
    if not ranked:
        return "json"
    raise ServingError(406, f"Accept {accept!r}: answers are {', '.join(_BY_TYPE)}")


def _read_timeout(text: str | None, most_s: float) -> float:
    if text is None:
        return most_s
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = -1.0
    if not 0 < timeout_s <= most_s:
        raise ServingError(400, f"timeout is {text!r}; use seconds, at most {most_s:g}")
    return timeout_s


async def predict(service: Service, request: Request) -> Response:
    """Answer one request."""
    with service.admission.hold_bytes(expect_bytes(request, service.limits)):
        upload = await read_upload(request, service.limits)
        options = _read_options(service, request, upload)
        suffix, num_px = service.find_suffix(upload.content, upload.name)
        task = Task(
            id=0,
            suffix=suffix,
            num_px=num_px,
            name=upload.name,
            form=options.form,
            order=options.order,
            confidence=options.confidence,
            tile=options.tile,
            refine=options.refine,
            timeout_s=options.timeout_s,
        )
        key = find_canary_key(request)
        with service.models.choose(options.model, options.version, key).lease() as version:
            origin = Origin.of_request(request, request.state.number)
            work = service.predict(version, task, upload.content, origin)
            return _answer(version, await run_unless_gone(request, work))


def find_canary_key(request: Request) -> str:
    """What a canary keeps together: the key that a client sends, else its address."""
    return request.headers.get(KEY) or (request.client.host if request.client else "")


def _read_options(service: Service, request: Request, upload: Upload) -> PredictionOptions:
    path = {k: v for k, v in request.path_params.items() if k == "model"}
    values = {**upload.fields, **request.query_params, **path}
    accept = request.headers.get("accept", "")
    options = PredictionOptions.from_text(values, accept, service.limits.request_s)
    if options.form not in FORMS:
        raise ServingError(400, str(UnknownNameError("format", options.form, FORMS)))
    return options


def _answer(version: Version, outcome: Outcome) -> Response:
    """The body, and headers that name the model in every form."""
    facts = version.facts
    height, width = outcome.size_HW
    headers = {
        "Maskwright-Model": version.child.choice.name,
        "Maskwright-Version": version.number,
        "Maskwright-Bundle": facts.bundle,
        "Maskwright-Engine": facts.engine,
        "Maskwright-Precision": facts.precision,
        "Maskwright-Tiling": outcome.tiling,
        "Maskwright-Size": f"{height}x{width}",
        "Server-Timing": ", ".join(
            f"{stage};dur={1000 * seconds:.1f}" for stage, seconds in outcome.seconds.items()
        ),
        "Vary": "Accept",
    }
    if outcome.verdict is not None:
        headers["Maskwright-Reported"] = json.dumps(outcome.verdict)
    return Response(outcome.body, 200, headers, outcome.media_type)
