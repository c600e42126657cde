"""Answers leave at once: the head of one does not have to be confirmed before its body."""

import asyncio
import socket

import pytest

from maskwright.serving import run
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
