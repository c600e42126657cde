"""The table of endpoints: path, method, scope and what each does; routes and docs follow."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import Response

from ..core.versioned import Document
from .access import METRICS, OPEN, PREDICT
from .metrics import CONTENT_TYPE
from .models import Version
from .predicting import predict
from .service import Service

Handler = Callable[[Service, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path; `title` is its line in the docs."""

    path: str
    method: str
    scope: str
    title: str
    answer: Handler


def answer_json(document: object, status: int = 200) -> Response:
    """A JSON document."""
    return Response(json.dumps(document).encode(), status, media_type="application/json")


async def show_live(_service: Service, _request: Request) -> Response:
    """The process answers."""
    return answer_json({"live": True})


async def show_ready(service: Service, _request: Request) -> Response:
    """503 until every model is open, and again from the moment when the server is to stop."""
    if service.is_ready:
        return answer_json({"ready": True})
    reason = "the server is stopping" if service.is_draining else "a model is being loaded"
    return answer_json({"error": reason}, 503)


async def show_metrics(service: Service, _request: Request) -> Response:
    """The metrics of Prometheus."""
    service.update_gauges()
    return Response(service.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


async def list_models(service: Service, _request: Request) -> Response:
    """Every model with its classes and state."""
    found = [
        describe_version(name, version)
        for name in service.models.names
        for version in service.models.list_versions(name)
    ]
    return answer_json({"models": found})


def describe_version(name: str, version: Version) -> Document:
    """A version of a model, its state and its facts."""
    facts = version.child.facts
    return {
        "name": name,
        "version": version.number,
        "ready": version.child.is_ready,
        "requests": version.num_requests,
        "crashes": version.child.num_crashes,
        "facts": None if facts is None else asdict(facts),
    }


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        path="/v1/predict",
        method="POST",
        scope=PREDICT,
        title="Predict one image: the body, or the file of a form.",
        answer=predict,
    ),
    Endpoint(
        path="/v1/models",
        method="GET",
        scope=PREDICT,
        title="The models, their classes and their state.",
        answer=list_models,
    ),
    Endpoint(
        path="/health/live",
        method="GET",
        scope=OPEN,
        title="Whether the server runs.",
        answer=show_live,
    ),
    Endpoint(
        path="/health/ready",
        method="GET",
        scope=OPEN,
        title="Whether every model answers.",
        answer=show_ready,
    ),
    Endpoint(
        path="/metrics",
        method="GET",
        scope=METRICS,
        title="Metrics for Prometheus.",
        answer=show_metrics,
    ),
)
