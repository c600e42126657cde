"""Connections: answers leave at once, there are so many, and their errors are JSON."""

import asyncio
import json
import socket

import pytest

from maskwright.serving import run
from maskwright.serving.limits import Limits
from maskwright.serving.responses import answer_json
from maskwright.serving.run import ServeOptions
from maskwright.studio import server as studio


def _listen_as_serve():
    listener = run._listen(ServeOptions(port=0))
    listener.listen()
    return listener


@pytest.mark.parametrize("listen", [_listen_as_serve, lambda: studio._listen("127.0.0.1", 0)])
def test_connections_send_without_waiting_for_confirmation(listen):
    found = []

    async def answer(_reader, writer):
        connection = writer.get_extra_info("socket")
        found.append(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def ask():
        with listen() as listener:
            server = await asyncio.start_server(answer, sock=listener)
            async with server:
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                await reader.read()
                writer.close()

    asyncio.run(ask())
    assert found == [1]


async def _answer(scope, receive, send):
    await answer_json({"path": scope["path"]})(scope, receive, send)


async def _talk(limits, dialogue):
    """Run a server whose application answers its path, and a coroutine with its address."""
    with _listen_as_serve() as listener:
        server = run._Server(run._configure(ServeOptions(limits=limits), _answer))
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await dialogue(*listener.getsockname())
        finally:
            server.should_exit = True
            await serving


async def _ask(reader, writer, head):
    """Status, headers and document of an answer."""
    writer.write(head)
    status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(status.split()[1]), headers, json.loads(body)


GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"


def test_a_connection_too_many_is_refused_and_those_before_are_served():
    async def dialogue(host, port):
        first = await asyncio.open_connection(host, port)
        status, _, document = await _ask(*first, GET)
        assert (status, document) == (200, {"path": "/a"})
        second = await asyncio.open_connection(host, port)
        status, headers, document = await _ask(*second, GET)
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        assert document == {"error": "too many connections are open; come again later"}
        assert await second[0].read() == b""
        assert (await _ask(*first, GET))[0] == 200
        for _, writer in (first, second):
            writer.close()
            await writer.wait_closed()

    asyncio.run(_talk(Limits(connections=1), dialogue))


@pytest.mark.parametrize(
    "head",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no host
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (1 << 17),
    ],
)
def test_what_is_not_http_is_refused_in_json(head):
    async def dialogue(host, port):
        reader, writer = await asyncio.open_connection(host, port)
        status, headers, document = await _ask(reader, writer, head)
        assert (status, headers["connection"]) == (400, "close")
        text = "the head of the request is not HTTP/1.1, or larger than 16 KiB"
        assert document == {"error": text}
        assert headers["content-type"] == "application/json"
        writer.close()

    asyncio.run(_talk(Limits(), dialogue))
