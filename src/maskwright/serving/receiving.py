"""Receive the body of a request within its limits of size and time."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from .errors import ServingError
from .limits import Limits

T = TypeVar("T")
_SLOWEST_BYTES = 1 << 18
"""Per second, beyond the time that every body has."""

TOO_SLOW = 408
"""Status of a request whose body does not come in time."""

_MOST_NAME = 200
_MOST_DISCARDED_BYTES = 1 << 30
_UNPACKED_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class Upload:
    """An image file of a client, the name that it gave, and the fields beside the file."""

    content: bytes
    name: str = "image"
    fields: Mapping[str, str] = field(default_factory=dict)


async def read_upload(request: Request, limits: Limits) -> Upload:
    """The image in a body: the body itself, or the one file of a multipart form.

    Raises:
        ServingError: 400, 408 or 413; see `read_body`.
    """
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return Upload(await read_body(request, limits))
    try:
        parser = MultiPartParser(
            request.headers, _stream(request, limits), max_files=1, max_fields=20
        )
        async with asyncio.timeout(_limit_s(request, limits)):
            form = await parser.parse()
    except MultiPartException as error:
        raise ServingError(400, f"the form cannot be read: {error.message}") from error
    except TimeoutError as error:
        raise _too_slow() from error
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    if not files:
        raise ServingError(400, "the form has no file; send one, such as -F image=@photo.jpg")
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    name = (files[0].filename or "image").replace("\\", "/").rsplit("/", 1)[-1]
    return Upload(await files[0].read(), name[-_MOST_NAME:] or "image", fields)


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body of a request, decompressed.

    Raises:
        ServingError: 413 for more bytes than allowed, 408 where they come too slowly, 400 for
            a damaged one, 501 for another compression than gzip and deflate.
    """
    try:
        async with asyncio.timeout(_limit_s(request, limits)):
            chunks = [chunk async for chunk in _stream(request, limits)]
    except TimeoutError as error:
        raise _too_slow() from error
    body = b"".join(chunks)
    encoding = request.headers.get("content-encoding", "identity").lower()
    return body if encoding == "identity" else unpack(body, encoding, limits.body_bytes)


def require_length(request: Request) -> int:
    """The bytes of a body, as its header says.

    Raises:
        ServingError: 411, there is no header.
    """
    if "content-length" not in request.headers:
        raise ServingError(411, "Content-Length is missing; send a file of known size")
    return _content_length(request.headers)


async def receive_file(request: Request, limits: Limits, file: Path, num_bytes: int) -> None:
    """Write a body of `num_bytes` to a new file.

    Raises:
        ServingError: 400 for another number of bytes, 408 where they come too slowly, 507 where
            the disk is full.
    """
    received = 0
    try:
        async with asyncio.timeout(limits.receive_s + num_bytes / _SLOWEST_BYTES):
            with file.open("xb") as to:
                async for chunk in request.stream():
                    received += len(chunk)
                    to.write(chunk)
    except TimeoutError as error:
        raise _too_slow() from error
    except OSError as error:
        raise ServingError(507, "the disk of the server is full; come again later") from error
    if received != num_bytes:
        raise ServingError(
            400, f"the body has {received:,} of {num_bytes:,} bytes; send it whole"
        )


def unpack(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Decompress gzip or deflate (zlib), up to a limit; raises as `read_body`."""
    if encoding not in ("gzip", "deflate"):
        raise ServingError(
            501,
            f"Content-Encoding {encoding!r} is not supported; use gzip or deflate",
            {"Accept-Encoding": "gzip, deflate"},
        )
    unpacker = zlib.decompressobj(31 if encoding == "gzip" else 15)
    try:
        unpacked = unpacker.decompress(body, most_bytes + 1)
    except zlib.error as error:
        raise ServingError(400, f"the body is not {encoding}: {error}") from error
    if len(unpacked) > most_bytes:
        raise _too_large(most_bytes)
    if not unpacker.eof:
        raise ServingError(400, f"the body is cut off: its {encoding} has no end")
    return unpacked


class Body:
    """The messages of the body of one request; `is_over` when the last one was received."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        self._headers = headers
        self.is_over = False

    async def receive(self) -> Message:
        """The next message."""
        message = await self._receive()
        self.is_over = not message.get("more_body", False)
        return message

    async def discard(self, most_s: float) -> None:
        """Receive what is left: a client that is still sending does not read its answer.

        One that waits for leave to send reads it, and one that sends very much, or too slowly,
        has to do without.
        """
        num_bytes = _content_length(self._headers)
        if num_bytes > _MOST_DISCARDED_BYTES or "expect" in self._headers:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                while not self.is_over:
                    await self.receive()


async def run_unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Run `work`, and cancel it when the client disconnects; its body is read already.

    Raises:
        ClientDisconnect: The client has gone.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_wait_for_end(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.wait((task,))
        raise ClientDisconnect
    finally:
        gone.cancel()
        task.cancel()


async def _wait_for_end(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(request: Request, limits: Limits) -> AsyncGenerator[bytes, None]:
    if _content_length(request.headers) > limits.body_bytes:
        raise _too_large(limits.body_bytes)
    num_bytes = 0
    async for chunk in request.stream():
        num_bytes += len(chunk)
        if num_bytes > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        yield chunk


def _content_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdecimal() else 0


def expect_bytes(request: Request, limits: Limits) -> int:
    """The bytes that a body may have, by its header."""
    if "content-length" in request.headers:
        return min(_content_length(request.headers), limits.body_bytes)
    return limits.body_bytes


def _limit_s(request: Request, limits: Limits) -> float:
    return limits.receive_s + expect_bytes(request, limits) / _SLOWEST_BYTES


def _too_large(most_bytes: int) -> ServingError:
    return ServingError(
        413,
        f"the body has more than {most_bytes >> 20} MiB; send a smaller image, or start the "
        f"server with a larger --max-body",
    )


def _too_slow() -> ServingError:
    return ServingError(TOO_SLOW, "the body did not arrive in time", {"Connection": "close"})
