"""Errors with a status of HTTP, and the one form in which clients get every error."""

import json
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ..core.errors import MaskwrightError, OutputError
from .child import ModelBusyError, ModelCrashError

RETRY_S = 1
_NO_STORE = "the server cannot use its store or its disk now; its log has the reason"


class ServingError(MaskwrightError):
    """An answer other than 200; `headers` go with it."""

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def refuse_later(status: int, message: str, retry_s: float = RETRY_S) -> ServingError:
    """An error that passes: the client may come again after `retry_s` seconds."""
    return ServingError(status, message, {"Retry-After": str(max(1, round(retry_s)))})


def answer_error(status: int, message: str, headers: Mapping[str, str]) -> Response:
    """`{"error": ...}`, in every place and for every status."""
    body = json.dumps({"error": message}).encode()
    return Response(body, status, dict(headers), "application/json")


def find_status(error: MaskwrightError) -> int:
    """The status of the answer to a request that raised this error."""
    if isinstance(error, ServingError):
        return error.status
    if isinstance(error, ModelBusyError | OutputError):
        return 503
    return 500 if isinstance(error, ModelCrashError) else 400


async def answer_exception(_: Request, error: Exception) -> Response:
    """The answer to a request that raised; messages of bugs stay in the log."""
    if isinstance(error, ServingError):
        return answer_error(error.status, str(error), error.headers)
    if isinstance(error, ModelBusyError):
        return await answer_exception(_, refuse_later(503, str(error)))
    if isinstance(error, OutputError):  # its message names files and hosts
        return await answer_exception(_, refuse_later(503, _NO_STORE))
    if isinstance(error, HTTPException):
        return answer_error(error.status_code, error.detail, error.headers or {})
    if isinstance(error, MaskwrightError):
        return answer_error(find_status(error), str(error), {})
    return answer_error(500, "internal error; the log of the server has the reason", {})


HANDLED = (MaskwrightError, HTTPException)
"""The errors outside of an endpoint that `answer_exception` answers."""
