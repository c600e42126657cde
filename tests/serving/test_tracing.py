from types import SimpleNamespace

import pytest

from maskwright.serving import tracing
from maskwright.serving.access import OPEN, Access
from maskwright.serving.endpoints import make_get
from maskwright.serving.errors import refuse_later
from maskwright.serving.responses import answer_json

from .asgi import ask, make_app

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def spans():
    """The spans that have ended."""
    trace = pytest.importorskip("opentelemetry.sdk.trace")
    exporting = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    from opentelemetry import trace as api
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    exporter = exporting.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    api.set_tracer_provider(provider)
    return exporter


async def _predict(service, _request):
    service.tracing.add_stages({"decode": 0.25, "engine": 0.5}, {"model": "m", "batch": 1})
    return answer_json({})


async def _refuse(_service, _request):
    raise refuse_later(503, "later")


TABLE = (make_get("/predict", OPEN, "", _predict), make_get("/busy", OPEN, "", _refuse))


def test_a_request_and_its_stages_are_spans_of_the_trace_of_the_client(spans):
    app = make_app(Access("127.0.0.1"), table=TABLE, tracing=tracing.open_tracing())
    spans.clear()
    header = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "r1"}
    assert ask(app, "GET", "/predict", headers=header | {"x-secret": "s"}).status == 200
    decode, engine, request = spans.get_finished_spans()
    assert request.name == "GET /predict"
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == PARENT
    assert dict(request.attributes) == {
        "http.request.method": "GET",
        "http.route": "/predict",
        "maskwright.request": "r1",
        "http.response.status_code": 200,
    }
    assert (decode.name, engine.name) == ("decode", "engine")
    assert decode.parent.span_id == engine.parent.span_id == request.context.span_id
    assert decode.end_time == engine.start_time
    assert engine.end_time - decode.start_time == 750_000_000
    assert dict(engine.attributes) == {"maskwright.model": "m", "maskwright.batch": 1}


def test_an_answer_of_the_server_that_failed_is_an_error(spans):
    app = make_app(Access("127.0.0.1"), table=TABLE, tracing=tracing.open_tracing())
    spans.clear()
    assert ask(app, "GET", "/busy").status == 503
    (span,) = spans.get_finished_spans()
    assert span.status.status_code.name == "ERROR"
    assert span.attributes["http.response.status_code"] == 503


def test_without_the_package_nothing_is_told(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry", None)
    found = tracing.open_tracing()
    assert isinstance(found, tracing.NoTracing)
    app = make_app(Access("127.0.0.1"), table=TABLE, tracing=found)
    assert ask(app, "GET", "/predict").status == 200
    found.add_stages({}, SimpleNamespace())
