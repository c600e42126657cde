"""Ask an application without a network, as a server would."""

import asyncio
import json
from typing import NamedTuple
from urllib.parse import unquote

from maskwright.serving.admission import Admission
from maskwright.serving.app import build_app
from maskwright.serving.docs import TABLE
from maskwright.serving.limits import Limits
from maskwright.serving.metrics import Metrics
from maskwright.serving.models import Models
from maskwright.serving.service import Service


class Reply(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def make_service(access, *, children=(), **parts):
    """A Service; `parts` are those beside the usual ones."""
    limits = Limits()
    return Service(
        models=Models(children),
        access=access,
        limits=limits,
        admission=Admission(limits),
        metrics=Metrics(),
        **parts,
    )


def make_app(access, *, log=lambda line: None, table=TABLE, **parts):
    """The application of a server; `parts` are those of `make_service`."""
    return build_app(make_service(access, **parts), log=log, table=table)


async def ask_async(app, method, path, body=b"", headers=None, *, client="127.0.0.1"):
    path, _, query = path.partition("?")
    named = {"host": "localhost", "content-length": str(len(body)), **(headers or {})}
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in named.items()],
        "client": (client, 1),
        "server": ("localhost", 80),
    }
    sent, received = [], iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        for message in received:
            return message
        await asyncio.Event().wait()  # the client stays
        return None

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    answered = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Reply(sent[0]["status"], answered, b"".join(m.get("body", b"") for m in sent))


def ask(app, method, path, body=b"", headers=None, **options):
    return asyncio.run(ask_async(app, method, path, body, headers, **options))
