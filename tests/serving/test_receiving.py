"""Clients that send too slowly, or that go away."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect, Request

from maskwright.serving.errors import ServingError
from maskwright.serving.limits import Limits
from maskwright.serving.receiving import read_body, run_unless_gone

CHUNK = {"type": "http.request", "body": b"x", "more_body": True}


def _make_request(*messages):
    """A request whose client sends these messages and then nothing more."""
    left = iter(messages)

    async def receive():
        for message in left:
            return message
        await asyncio.Event().wait()
        return None

    headers = [(b"content-length", b"3")]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def test_a_body_that_does_not_arrive_in_time_is_refused_and_its_connection_ends():
    with pytest.raises(ServingError, match="the body did not arrive in time") as caught:
        asyncio.run(read_body(_make_request(CHUNK), Limits(receive_s=0.02)))
    assert (caught.value.status, caught.value.headers) == (408, {"Connection": "close"})


def test_work_ends_when_its_client_has_gone():
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("work")

    with pytest.raises(ClientDisconnect):
        asyncio.run(run_unless_gone(_make_request({"type": "http.disconnect"}), work()))
    assert ended == ["work"]


def test_a_client_that_stays_gets_the_result():
    async def work():
        return 7

    assert asyncio.run(run_unless_gone(_make_request(CHUNK), work())) == 7
