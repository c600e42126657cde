"""Client: the calls of a studio from Python, with the standard library and NumPy alone.

studio = StudioClient("http://127.0.0.1:8080/?token=...")        # the link, once
studio = StudioClient("http://lab:8080/", "ann", "password")     # where people log in
for item in studio.list_items():
    labels_HW = studio.read_map(item["id"])
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from ..core.errors import ConfigError, OutputError
from ..core.labels import LabelMap
from .errors import StudioError
from .tiles import MOST_TILES_ASKED, join_blobs, join_tiles, parse_tiles, split_blobs

_TIMEOUT_S = 60.0
_POLL_S = 0.2
"""Between two questions how far a job is."""

Document = Mapping[str, Any]
Answer = tuple[int, Mapping[str, str], bytes]
Transport = Callable[[str, str, Mapping[str, str], bytes], Answer]
"""Sends method, path, headers and body; gives status, headers in small letters, and body."""


class StudioClient:
    """One session with a studio.

    `address` is that of the page or the link that the command prints; with `name` and
    `password` it logs in. Calls that the studio refuses raise StudioError with its message.
    """

    def __init__(
        self,
        address: str,
        name: str = "",
        password: str = "",
        *,
        transport: Transport | None = None,
    ) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{address!r}: give the address of a studio, http://HOST:PORT/")
        self._send = transport or _connect(parts.scheme, parts.netloc)
        self._under = parts.path.rstrip("/")
        self._cookie, self._client = "", f"python-{secrets.token_hex(8)}"
        if parts.query:
            self.ask("GET", f"/?{parts.query}")
        if name:
            self.ask("POST", "/api/login", {"name": name, "password": password})

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """One call of `docs/reference/studio_calls.md`; the body of its answer.

        Raises:
            StudioError: The studio refuses, with its status and message.
            OutputError: It does not answer.
        """
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"X-Maskwright": "client", "X-Client": self._client, **(headers or {})}
        if self._cookie:
            sent["Cookie"] = self._cookie
        status, got, answer = self._send(method, self._under + path, sent, content)
        if "set-cookie" in got:
            cookies = SimpleCookie(got["set-cookie"])
            self._cookie = "; ".join(f"{k}={v.value}" for k, v in cookies.items())
        if status >= 400:
            raise _read_refusal(status, answer)
        return answer

    def get(self, path: str) -> Document:
        """Read a JSON document."""
        return self._parse(self.ask("GET", path))

    def post(
        self, path: str, body: Mapping[str, object] | bytes = b"", **headers: str
    ) -> Document:
        """Change something; headers are given with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._parse(self.ask("POST", path, body, named))

    def list_items(self) -> list[Document]:
        """All images that this person sees."""
        found: list[Document] = self.get("/api/items")["items"]
        return found

    def read_map(self, item_id: int) -> LabelMap:
        """The class map of an image."""
        item = self.get(f"/api/items/{item_id}")
        index, (height, width) = parse_tiles(item["tiles"]), item["size_HW"]
        blobs = self._read_blobs(sorted(set(index.values())))
        return join_tiles(index, blobs, (height, width))

    def _read_blobs(self, shas: list[str]) -> dict[str, bytes]:
        blobs: dict[str, bytes] = {}
        for start in range(0, len(shas), MOST_TILES_ASKED):
            part = shas[start : start + MOST_TILES_ASKED]
            content = self.ask("GET", f"/api/tiles/{'.'.join(part)}")
            blobs |= zip(part, split_blobs(content), strict=True)
        return blobs

    @contextmanager
    def painting(self, item_id: int) -> Iterator[None]:
        """Hold the lease of an image in the block."""
        self.post(f"/api/items/{item_id}/lease")
        try:
            yield
        finally:
            self.post(f"/api/items/{item_id}/lease?take=end")

    def draw(
        self, item_id: int, geometry: Mapping[str, object], value: int, **edit: object
    ) -> Document:
        """Draw a geometry into an image whose lease this client has; `edit` has mode, only."""
        rev = self.get(f"/api/items/{item_id}")["rev"]
        document = {"tool": "script", "value": value, "geometry": geometry, **edit}
        return self.post(
            f"/api/items/{item_id}/edits",
            join_blobs([json.dumps(document).encode()]),
            If_Match=str(rev),
            Idempotency_Key=f"python:{secrets.token_hex(8)}",
        )

    def take_step(self, item_id: int, verb: str) -> Document:
        """Submit, review, return, accept or reopen an image, as it is now."""
        rev = self.get(f"/api/items/{item_id}")["rev"]
        return self.post(f"/api/items/{item_id}/steps/{verb}", If_Match=str(rev))

    def comment(self, item_id: int, text: str, **more: object) -> Document:
        """Comment on an image; `at_xy` is a pixel, `thread` the comment that is answered."""
        return self.post(f"/api/items/{item_id}/comments", {"text": text, **more})

    def import_labels(self, archive: Path) -> Document:
        """Replace labels by those of a ZIP; how many `images` have them, and the `left_out`.

        Raises:
            StudioError: It is no dataset of these images, or somebody cancelled it.
        """
        query = urlencode({"name": archive.name})
        self.post(f"/api/import?{query}", archive.read_bytes())
        return self._wait_for_job()

    def export(self, form: str, tag: str = "") -> bytes:
        """The accepted images, or those of a tag, in a format that `convert` writes, as a ZIP.

        Raises:
            StudioError: There is nothing to write, or somebody cancelled it.
        """
        self.post("/api/export", {"format": form, "tag": tag})
        self._wait_for_job()
        return self.ask("GET", "/api/export")

    def _wait_for_job(self) -> Document:
        while (job := self.get("/api/job"))["state"] == "running":
            time.sleep(_POLL_S)
        if job["state"] != "finished":
            raise StudioError(422, job["error"] or f"{job['what']}: was cancelled")
        return job

    @staticmethod
    def _parse(content: bytes) -> Document:
        document: Document = json.loads(content)
        return document


def _connect(scheme: str, netloc: str) -> Transport:
    kind = HTTPSConnection if scheme == "https" else HTTPConnection

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = kind(netloc, timeout=_TIMEOUT_S)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, got, answer.read()
        except OSError as error:
            raise OutputError(f"{scheme}://{netloc}: does not answer: {error}") from error
        finally:
            connection.close()

    return send


def _read_refusal(status: int, content: bytes) -> StudioError:
    try:
        document = json.loads(content)
        text = str(document.pop("error"))
    except (ValueError, KeyError, AttributeError):
        return StudioError(status, f"the studio answers {status}")
    return StudioError(status, text, document)
