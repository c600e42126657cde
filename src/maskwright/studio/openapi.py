"""The OpenAPI document of all calls, made of the table of routes.

https://spec.openapis.org/oas/v3.1.0
"""

import re
from collections.abc import Iterable, Mapping

from .guard import HEADER
from .routing import Parameter, Route

_REFUSALS = {
    "401": "nobody is logged in",
    "403": "not for the role of this person, or a page of another site asks",
    "404": "there is no such image, or this person does not see it",
    "409": "another state or revision; `why` says which, and `tiles` what is there",
    "422": "the request is wrong; `error` names the value",
}
_OWN_PAGE = Parameter(
    name=HEADER,
    text="Any value: no form of another site can send it",
    where="header",
    required=True,
)


def make_document(routes: Iterable[Route], version: str) -> dict[str, object]:
    """The document of the calls whose path begins with /api."""
    paths: dict[str, dict[str, object]] = {}
    schemas: dict[str, object] = {
        "Refusal": {
            "type": "object",
            "properties": {"error": {"type": "string"}, "why": {"type": "string"}},
            "required": ["error"],
        }
    }
    for route in routes:
        if route.plain_path.startswith("/api"):
            operation = _describe(route, schemas)
            paths.setdefault(route.plain_path, {})[route.method.lower()] = operation
    scheme = {"type": "apiKey", "in": "cookie", "name": "maskwright_studio_PORT"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "maskwright studio", "version": version},
        "security": [{"session": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"session": scheme}},
    }


def _describe(route: Route, schemas: dict[str, object]) -> dict[str, object]:
    needs_role = route.role is not None
    refusals = {status: _refuse(text) for status, text in _REFUSALS.items()}
    operation: dict[str, object] = {
        "operationId": _name(route),
        "summary": route.text,
        "x-role": route.role or "everybody",
        "parameters": [*_list_path(route), *map(_to_json, _list_parameters(route))],
        "responses": {"200": _answer(route.media), **refusals},
    }
    if not needs_role:
        operation["security"] = []
    if route.body is not None:
        name = route.body.__name__
        schemas |= _make_schemas(route)
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        required = any(field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {"required": required, "content": content}
    elif route.takes:
        operation["requestBody"] = {"required": True, "content": {route.takes: {}}}
    return operation


def _list_parameters(route: Route) -> list[Parameter]:
    own = [] if route.method == "GET" else [_OWN_PAGE]
    return [*own, *route.parameters]


def _list_path(route: Route) -> list[dict[str, object]]:
    found = re.findall(r"\{(\w+)(?::(\w+))?\}", route.path)
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for name, kind in found
    ]


def _to_json(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "required": parameter.required,
        "description": parameter.text,
        "schema": {"type": "string"},
    }


def _make_schemas(route: Route) -> Mapping[str, object]:
    if route.body is None:
        return {}
    schema = route.body.model_json_schema(ref_template="#/components/schemas/{model}")
    parts: dict[str, object] = schema.pop("$defs", {})
    return {**parts, route.body.__name__: schema}


def _answer(media: str) -> dict[str, object]:
    schema = {"type": "object"} if media == "application/json" else {}
    return {"description": "done", "content": {media: {"schema": schema}}}


def _refuse(text: str) -> dict[str, object]:
    schema = {"$ref": "#/components/schemas/Refusal"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _name(route: Route) -> str:
    words = re.findall(r"\w+", route.plain_path.removeprefix("/api"))
    return "_".join([route.method.lower(), *words])
