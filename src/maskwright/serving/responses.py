"""Answers that several endpoints give."""

import json

from starlette.responses import Response


def answer_json(document: object, status: int = 200) -> Response:
    """A JSON document."""
    return Response(json.dumps(document).encode(), status, media_type="application/json")
