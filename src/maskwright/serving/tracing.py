"""Spans of OpenTelemetry: one for each request, and in it one for each stage of a prediction.

They go where the program that starts the server sends them, as in `opentelemetry-instrument
maskwright serve runs/a/bundle`. Where its API is not installed, nothing is done; where it is
but nobody asks for spans, next to nothing. No header and no body is in a span. Names are those
of OpenTelemetry's semantic conventions for HTTP.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from starlette.requests import Request

from ..core.versioned import Document

_SCOPE = "maskwright.serve"


class Span(Protocol):
    """The span of one request."""

    def end_with(self, status: int) -> None:
        """Note the status of the answer."""


class Tracing(Protocol):
    """What a server tells of its requests."""

    @contextmanager
    def follow(self, request: Request, route: str, number: str) -> Iterator[Span]:
        """The span of a request, with the id `number`, from here to the end of the block."""

    def add_stages(self, seconds: Mapping[str, float], facts: Document) -> None:
        """Spans for the stages of a prediction that has just ended, one after the other."""


class NoTracing:
    """Without OpenTelemetry."""

    @contextmanager
    def follow(self, request: Request, route: str, number: str) -> Iterator[Span]:
        """The contract of Tracing."""
        del request, route, number
        yield self

    def end_with(self, status: int) -> None:
        """The contract of Span."""

    def add_stages(self, seconds: Mapping[str, float], facts: Document) -> None:
        """The contract of Tracing."""


class OpenTelemetry:
    """Spans by the API of OpenTelemetry; the parent is that of the client's `traceparent`."""

    def __init__(self) -> None:
        from opentelemetry import propagate, trace

        self._propagate, self._trace = propagate, trace
        self._tracer = trace.get_tracer(_SCOPE)

    @contextmanager
    def follow(self, request: Request, route: str, number: str) -> Iterator[Span]:
        """The contract of Tracing."""
        with self._tracer.start_as_current_span(
            f"{request.method} {route}",
            context=self._propagate.extract(request.headers),
            kind=self._trace.SpanKind.SERVER,
            attributes={
                "http.request.method": request.method,
                "http.route": route,
                "maskwright.request": number,
            },
        ) as span:
            yield _RequestSpan(span, self._trace.StatusCode.ERROR)

    def add_stages(self, seconds: Mapping[str, float], facts: Document) -> None:
        """The contract of Tracing."""
        if not self._trace.get_current_span().is_recording():
            return
        at_ns = time.time_ns() - round(1e9 * sum(seconds.values()))
        for stage, stage_s in seconds.items():
            attributes = {f"maskwright.{name}": value for name, value in facts.items()}
            span = self._tracer.start_span(stage, start_time=at_ns, attributes=attributes)
            at_ns += round(1e9 * stage_s)
            span.end(at_ns)


class _RequestSpan:
    def __init__(self, span: Any, error: Any) -> None:
        self._span, self._error = span, error

    def end_with(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(self._error)


def open_tracing() -> Tracing:
    """Spans where `opentelemetry-api` is installed, else none."""
    try:
        return OpenTelemetry()
    except ImportError:
        return NoTracing()
