"""The table of endpoints: path, method, scope and what each does; routes and docs follow."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import Response

from ..core.versioned import Document
from . import jobendpoints, page, swapping, watchendpoints
from .access import ADMIN, METRICS, OPEN, OPERATE, PREDICT
from .kserve import endpoints as kserve
from .metrics import CONTENT_TYPE
from .models import Version
from .predicting import predict
from .responses import answer_json
from .service import Service
from .truth import add_truth

Handler = Callable[[Service, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path; `title` is its line in the docs."""

    path: str
    method: str
    scope: str
    title: str
    answer: Handler


Endpoints = tuple[Endpoint, ...]


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
    if service.jobs is not None:
        service.metrics.set_jobs(
            await service.jobs.count_states(), await service.jobs.count_bytes()
        )
    return Response(service.metrics.render(), headers={"Content-Type": CONTENT_TYPE})


async def list_models(service: Service, _request: Request) -> Response:
    """Every model with its classes and state."""
    found = [
        describe_version(name, version)
        for name in service.models.names
        for version in service.models.list_versions(name)
    ]
    return answer_json({"models": found})


async def show_card(service: Service, request: Request) -> Response:
    """What a client needs to stand for a model: its card, and who runs it."""
    facts = service.models.choose(request.path_params["model"]).facts
    ran = {"bundle": facts.bundle, "engine": facts.engine, "precision": facts.precision}
    return answer_json({"card": facts.card} | ran)


def describe_version(name: str, version: Version) -> Document:
    """A version of a model, its state and its facts."""
    facts = None if version.child.facts is None else asdict(version.child.facts)
    if facts is not None:
        facts.pop("card")
    return {
        "name": name,
        "version": version.number,
        "ready": version.child.is_ready,
        "requests": version.num_requests,
        "crashes": version.child.num_crashes,
        "facts": facts,
    }


def make_get(path: str, scope: str, title: str, answer: Handler) -> Endpoint:
    """An endpoint for GET."""
    return Endpoint(path=path, method="GET", scope=scope, title=title, answer=answer)


def make_post(path: str, scope: str, title: str, answer: Handler) -> Endpoint:
    """An endpoint for POST."""
    return Endpoint(path=path, method="POST", scope=scope, title=title, answer=answer)


def _make_delete(path: str, scope: str, title: str, answer: Handler) -> Endpoint:
    return Endpoint(path=path, method="DELETE", scope=scope, title=title, answer=answer)


_VERSION = "/versions/{version:int}"


def _each_version(path: str, more: str, scope: str, title: str, answer: Handler) -> Endpoints:
    """A path of a model, and the same of one of its versions."""
    make = make_post if more == "/infer" else make_get
    return (
        make(path + more, scope, title, answer),
        make(path + _VERSION + more, scope, title, answer),
    )


_MODEL = "/v2/models/{model}"
_JOB = "/v1/jobs/{job}"


_SHARED: Endpoints = (
    make_get("/watch", METRICS, "The dashboard.", watchendpoints.show_dashboard),
    make_post(
        "/watch/alarms/{alarm:int}/acknowledge",
        OPERATE,
        "Acknowledge an alarm.",
        watchendpoints.acknowledge_alarm,
    ),
    make_get(
        "/watch/images/{image}", OPERATE, "A kept image, small.", watchendpoints.send_picture
    ),
    make_get("/health/live", OPEN, "Whether the server runs.", show_live),
    make_get("/health/ready", OPEN, "Whether every model answers.", show_ready),
    make_get("/metrics", METRICS, "Metrics for Prometheus.", show_metrics),
)

WATCHING: Endpoints = (
    make_get("/", OPEN, "Leads to the dashboard.", watchendpoints.lead_to_dashboard),
    *_SHARED,
)
"""The endpoints of a server of the dashboard alone."""

ENDPOINTS: Endpoints = (
    make_get("/", OPEN, "Try a model in the browser.", page.show_page),
    make_post(
        "/v1/predict", PREDICT, "Predict one image: the body, or the file of a form.", predict
    ),
    make_post("/v1/truth", PREDICT, "The truth of an image, by its key.", add_truth),
    make_post("/v1/jobs", PREDICT, "Queue a job: a large file.", jobendpoints.submit),
    make_get("/v1/jobs", PREDICT, "The jobs of this client.", jobendpoints.list_jobs),
    make_get(_JOB, PREDICT, "State and progress of a job.", jobendpoints.show_job),
    _make_delete(_JOB, PREDICT, "Cancel or remove a job.", jobendpoints.cancel_job),
    make_get(
        f"{_JOB}/events", PREDICT, "State and progress as events.", jobendpoints.stream_events
    ),
    make_get(f"{_JOB}/result", PREDICT, "The results as ZIP.", jobendpoints.send_result),
    make_get(f"{_JOB}/files", PREDICT, "The files of the results.", jobendpoints.list_files),
    make_get(
        f"{_JOB}/files/{{file:path}}", PREDICT, "One file of them.", jobendpoints.send_file
    ),
    make_get("/v1/models", PREDICT, "The models, their classes and their state.", list_models),
    make_get("/v1/models/{model}/card", PREDICT, "The card of a model.", show_card),
    make_get(
        "/v1/models/{model}/shadow", PREDICT, "How a shadow differs.", swapping.show_shadow
    ),
    make_post("/v1/models/{model}/promote", ADMIN, "Put a trial in use.", swapping.promote),
    make_post("/v2/repository/models/{model}/load", ADMIN, "Load a Bundle.", swapping.load),
    make_post(
        "/v2/repository/models/{model}/unload", ADMIN, "Take a trial back.", swapping.unload
    ),
    *_SHARED,
    make_get("/v2/health/live", OPEN, "Whether the server runs.", show_live),
    make_get("/v2/health/ready", OPEN, "Whether every model answers.", show_ready),
    make_get("/v2", OPEN, "Name, version and extensions.", kserve.show_server),
    make_get("/v2/models/stats", PREDICT, "Statistics of all models.", kserve.show_statistics),
    make_post("/v2/repository/index", PREDICT, "The models by state.", kserve.list_repository),
    *_each_version(_MODEL, "", PREDICT, "Inputs and outputs.", kserve.show_model),
    *_each_version(_MODEL, "/ready", PREDICT, "Whether it answers.", kserve.show_model_ready),
    *_each_version(_MODEL, "/config", PREDICT, "Its configuration.", kserve.show_config),
    *_each_version(_MODEL, "/stats", PREDICT, "Its statistics.", kserve.show_statistics),
    *_each_version(_MODEL, "/infer", PREDICT, "Predict tensors or files.", kserve.infer),
)
