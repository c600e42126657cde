"""The docs of the interface, for people and for programs, and the whole table of endpoints."""

import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from ..core.versioned import Document
from ..pages.markup import render_code, render_table
from ..pages.page import Section, render_page
from .access import OPEN, name_scope
from .endpoints import ENDPOINTS, Endpoints, make_get
from .page import answer_page, read_asset
from .predicting import FORMS
from .service import Service

_CURL = """curl --data-binary @photo.jpg {base}/v1/predict
curl -X POST -T images.zip '{base}/v1/jobs?name=images.zip'
curl -F image=@photo.jpg '{base}/v1/predict?format=png' -o classes.png
maskwright predict {base}/MODEL photos -o out"""


async def show_docs(service: Service, request: Request) -> Response:
    """Every endpoint with its scope."""
    rows = [
        (
            render_code(f"{e.method} {_strip_types(e.path)}"),
            escape(e.title),
            escape(name_scope(e.scope) or "none"),
        )
        for e in TABLE
    ]
    base = str(request.base_url).rstrip("/")
    sections = [
        Section("Ask", "", f"<pre>{escape(_CURL.format(base=base))}</pre>"),
        Section(
            "Endpoints",
            'Errors are {"error": ...} on every path.'
            + (" Send Authorization: Bearer TOKEN." if service.access.needs_token else ""),
            render_table("Endpoints", ("path", "what", "scope"), rows, words=(0, 1, 2)),
        ),
        Section("Forms of an answer", "?format=", render_code(", ".join(FORMS))),
    ]
    title = f"maskwright {version('maskwright')}"
    links = '<p><a href="./">Try a model</a> · <a href="openapi.json">OpenAPI</a></p>'
    return answer_page(
        render_page(
            title, "The interface.", sections, opening=links, style=read_asset("page.css")
        )
    )


async def show_openapi(_service: Service, _request: Request) -> Response:
    """The endpoints as an OpenAPI 3.1 document."""
    paths: dict[str, Document] = {}
    for endpoint in TABLE:
        path = _strip_types(endpoint.path)
        names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        paths.setdefault(path, {})[endpoint.method.lower()] = {
            "summary": endpoint.title,
            "parameters": [_describe_parameter(name, "path") for name in names]
            + [
                _describe_parameter(name, "query", values)
                for name, values in _QUERY.get((endpoint.method, endpoint.path), {}).items()
            ],
            "security": [{"token": [name_scope(endpoint.scope)]}] if endpoint.scope else [],
            "responses": {"200": {"description": "done"}, "default": {"$ref": _ERROR}},
        } | _BODIES.get((endpoint.method, endpoint.path), {})
    document = {
        "openapi": "3.1.0",
        "info": {"title": "maskwright", "version": version("maskwright")},
        "paths": paths,
        "components": _COMPONENTS,
    }
    return Response(json.dumps(document).encode(), media_type="application/json")


_ERROR = "#/components/responses/Error"
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_IMAGE = {
    "required": True,
    "content": dict.fromkeys(("image/png", "image/jpeg", "image/tiff", "image/webp"), _BINARY),
}
_FILE = {"required": True, "content": {"application/octet-stream": _BINARY}}
_BODIES: Mapping[tuple[str, str], Document] = {
    ("POST", "/v1/predict"): {"requestBody": _IMAGE},
    ("POST", "/v1/truth"): {"requestBody": _IMAGE},
    ("POST", "/v1/jobs"): {
        "requestBody": _FILE,
        "responses": {
            "202": {"description": "queued; Location is the job"},
            "default": {"$ref": _ERROR},
        },
    },
}
_QUERY: Mapping[tuple[str, str], Mapping[str, Sequence[str]]] = {
    ("POST", "/v1/predict"): {
        "model": (),
        "version": (),
        "format": FORMS,
        "order": ("columns", "rows"),
        "confidence": ("true", "false"),
        "tile": (),
        "refine": (),
        "timeout": (),
    },
    ("POST", "/v1/truth"): {"key": (), "model": ()},
    ("POST", "/v1/jobs"): dict.fromkeys(
        (
            *("name", "model", "version", "write", "tile", "refine", "vectorise", "level"),
            *("smooth", "keyframes"),
        ),
        (),
    ),
}
"""The names of the query of a path, and the values of each; any text where there are none."""

_COMPONENTS = {
    "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    "responses": {
        "Error": {
            "description": "What is wrong, and the fix.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["error"],
                        "properties": {"error": {"type": "string"}},
                    }
                }
            },
        }
    },
}


def _strip_types(path: str) -> str:
    """A path without the types of its parameters: `{alarm:int}` is `{alarm}`."""
    return re.sub(r":\w+}", "}", path)


def _describe_parameter(name: str, place: str, values: Sequence[str] = ()) -> Document:
    schema = {"type": "string"} | ({"enum": list(values)} if values else {})
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


TABLE: Endpoints = (
    *ENDPOINTS,
    make_get("/docs", OPEN, "This page.", show_docs),
    make_get("/openapi.json", OPEN, "This table for programs.", show_openapi),
)
"""Every endpoint of a server."""
