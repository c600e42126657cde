"""Client: predict by a server, with the objects of this package; needs no other package.

Images are read here, by the same readers, and sent without loss, so that the class map is the
one that the model gives on this machine.
"""

import io
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import numpy as np
from numpy.typing import NDArray

from ..core.card import ModelCard
from ..core.errors import BundleError, ConfigError, DataError
from ..core.image import Image, ValidMap
from ..core.results import WriteMode
from ..core.verdict import Verdict
from ..core.versioned import Document
from ..inference.engine import Engine
from ..inference.prediction import Prediction
from ..inference.predictor import Predictor
from ..inference.tiling import OFF, Tiling
from ..pages.display import Display
from .exactfile import encode_exactly
from .jobs import remote

TOKEN = "MASKWRIGHT_TOKEN"  # noqa: S105 - the name of a variable
_SCHEMES = ("http://", "https://")
_TIMEOUT_S, _RETRY_S = 120.0, 60.0
_PASSES = (429, 503)
_CHOSEN = (501, 507)
"""What a server does not do, or has no disk for: its operator decides."""


def is_server(model: Path | str) -> bool:
    """Whether a model is named by the address of a server: http://HOST:PORT/NAME."""
    return str(model).startswith(_SCHEMES)


@dataclass(frozen=True, slots=True)
class Client:
    """A server of `maskwright serve`.

    Args:
        url: `http://HOST:PORT`, with the path that a proxy gives it.
        token: Where the server needs one; that of the environment variable MASKWRIGHT_TOKEN
            unless given.
        retry_s: A request that is refused for now (429, 503), or meets no server, is sent
            again for so long.
        source: The camera, line or site that the images come from, for `watch`.
        lot: The lot or batch of the parts in them.
    """

    url: str
    token: str | None = None
    retry_s: float = _RETRY_S
    source: str = ""
    lot: str = ""

    def __post_init__(self) -> None:
        if not is_server(self.url):
            raise ConfigError(f"{self.url!r}: expected http://HOST:PORT or https://HOST:PORT")

    def list_models(self) -> list[str]:
        """The names of the models.

        Raises:
            ConfigError: As `open_model`.
        """
        return [entry["name"] for entry in self._ask_json("v1/models")["models"]]

    def open_model(self, name: str | None = None) -> "RemotePredictor":
        """A Predictor whose images go to the server; the only model unless named.

        Raises:
            ConfigError: There is no server or no such model, or the token is wrong.
        """
        if name is None:
            names = self.list_models()
            if len(names) != 1:
                raise ConfigError(f"{self.url}: name one of its models: {', '.join(names)}")
            (name,) = names
        found = self._ask_json(f"v1/models/{quote(name, safe='')}/card")
        card = ModelCard.from_json(found["card"], where=self.url)
        engine = RemoteEngine(found["engine"], found.get("precision", "unknown"))
        tiling = Tiling(tile=OFF)  # the server cuts images
        remote = RemotePredictor(engine, card, found["bundle"], tiling=tiling)
        return replace(remote, client=self, name=name)

    def predict(self, image: Image | Path | str, model: str | None = None) -> Prediction:
        """The prediction of an image or of an image file; raises as `Predictor` does."""
        return _open_once(self, model)(image)

    def submit(
        self, source: Path | str, model: str | None = None, **options: object
    ) -> remote.JobStatus:
        """Queue a job: an image, a video, a ZIP file or a folder of images of any size.

        Args:
            source: The file or the folder, which is sent.
            model: Its name on the server; the only one unless named.
            options: Those of `POST /v1/jobs`: write, tile, refine, vectorise, level, and for
                videos smooth and keyframes.

        Raises:
            ConfigError: There is no server, or it takes no jobs.
            DataError: There is no such file, or the server refuses it.
        """
        return remote.submit(self.ask, Path(source), model, options)

    def wait(
        self,
        job: str,
        *,
        timeout_s: float | None = None,
        show: Callable[[remote.JobStatus], None] = lambda _: None,
    ) -> remote.JobStatus:
        """Wait until the job of this id has ended; `show` is called whenever it changes.

        Raises:
            DataError: It failed or was cancelled, or has not ended after `timeout_s`.
        """
        return remote.wait(self.ask, job, timeout_s, show)

    def download(self, job: str, out: Path | str, *, overwrite: bool = False) -> Path:
        """Write the results of a finished job to the new folder `out`, as `predict` would.

        Raises:
            ConfigError: The job has not finished, or its time is over.
            OutputError: `out` exists, or cannot be written.
        """
        return remote.download(self.ask, job, Path(out), WriteMode(overwrite=overwrite))

    def cancel(self, job: str) -> None:
        """Stop the job of this id, or remove the results of one that has ended."""
        remote.cancel(self.ask, job)

    def ask(
        self,
        path: str,
        body: bytes | IO[bytes] | None = None,
        *,
        where: str,
        method: str | None = None,
        to: IO[bytes] | None = None,
    ) -> tuple[Mapping[str, str], bytes]:
        """Headers, by lower-case names, and body of an answer; written to `to` where given.

        Raises:
            ConfigError: There is no server, or it refuses the token or the option.
            DataError: It refuses the image `where`.
            BundleError: The model fails.
        """
        address = f"{self.url.rstrip('/')}/{path}"
        request = Request(address, body, method=method)  # noqa: S310 - checked scheme
        if body is not None and not isinstance(body, bytes):
            request.add_header("Content-Length", str(body.seek(0, io.SEEK_END)))
            request.add_header("Content-Type", "application/octet-stream")
        for name, text in self._list_headers().items():
            request.add_header(name, text)
        ends_s = time.monotonic() + self.retry_s
        while True:
            for file in (body, to):
                if file is not None and not isinstance(file, bytes):
                    file.seek(0)
            try:
                with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                    headers = {name.lower(): text for name, text in answer.headers.items()}
                    return headers, _read_answer(answer, to)
            except HTTPError as error:
                pause_s = float(error.headers.get("Retry-After") or 1)
                if error.code not in _PASSES or time.monotonic() + pause_s > ends_s:
                    raise _explain(error, self.url, where) from error
            except (URLError, ConnectionError, TimeoutError) as error:
                pause_s = 0.5
                if time.monotonic() + pause_s > ends_s:
                    reason = getattr(error, "reason", error)
                    raise ConfigError(
                        f"{self.url}: no answer ({reason}); start it with maskwright serve"
                    ) from error
            time.sleep(pause_s)

    def _list_headers(self) -> dict[str, str]:
        token = self.token or os.environ.get(TOKEN)
        given = {
            "Authorization": f"Bearer {token}" if token else "",
            "X-Source": self.source,
            "X-Lot": self.lot,
        }
        return {name: text for name, text in given.items() if text}

    def _ask_json(self, path: str) -> Document:
        document: Document = json.loads(self.ask(path, where=self.url)[1])
        return document


def _read_answer(answer: IO[bytes], to: IO[bytes] | None) -> bytes:
    if to is None:
        return answer.read()
    shutil.copyfileobj(answer, to, 1 << 20)
    to.truncate()
    return b""


@cache
def _open_once(client: Client, model: str | None) -> "RemotePredictor":
    return client.open_model(model)


def open_remote(model: str, token: str | None = None) -> "RemotePredictor":
    """The model at an address, see `split_address`.

    Raises:
        ConfigError: As `Client.open_model`.
    """
    url, name = split_address(model)
    return Client(url, token).open_model(name)


def split_address(model: str) -> tuple[str, str | None]:
    """The server and the name of a model: `http://HOST:PORT/NAME`, or without the name.

    Behind a proxy that gives the server a path, it is `https://HOST/PATH/NAME`.
    """
    parts = urlsplit(model)
    path, _, name = parts.path.rstrip("/").rpartition("/")
    return f"{parts.scheme}://{parts.netloc}{path}", name or None


class RemoteEngine(Engine):
    """Stands for the engine of the server, under its name."""

    def __init__(self, name: str, precision: str) -> None:
        self.name, self.precision = name, precision

    def __call__(self, _image_BCHW: NDArray[np.float32]) -> NDArray[np.float32]:
        """Refuse: logits stay on the server."""
        raise ConfigError(
            f"a server gives classes and confidence, not the logits of {self.name}; open the "
            f"Bundle for this"
        )


@dataclass(frozen=True, slots=True)
class RemotePredictor(Predictor):
    """A Predictor that sends each image to a server."""

    client: Client = Client("http://localhost")
    name: str = ""

    @property
    def gives_logits(self) -> bool:
        """Logits stay on the server."""
        return False

    def predict(
        self,
        image_HWC: Image,
        valid_HW: ValidMap | None = None,
        *,
        spacing_mm_HW: tuple[float, float] | None = None,  # noqa: ARG002 - is not sent
        uncertainty: bool = False,
        probabilities: bool = False,
        where: str = "image",
    ) -> Prediction:
        """As `Predictor.predict`; a server gives no entropy and no probabilities."""
        if uncertainty or probabilities:
            raise ConfigError(
                f"{self.client.url}: gives classes and confidence alone; open the Bundle for "
                f"uncertainty and probabilities"
            )
        query = f"v1/predict?format=raw&confidence=true&model={quote(self.name)}"
        body = encode_exactly(image_HWC, valid_HW, where=where)
        headers, content = self.client.ask(query, body, where=where)
        size_HW = image_HWC.shape[:2]
        labels_HW, steps_HW = np.frombuffer(content, np.uint8).reshape(2, *size_HW).copy()
        shown_HWC = self.card.input.prepare(image_HWC, valid_HW, where=where)
        reported = headers.get("maskwright-reported")
        return Prediction(
            labels_HW=labels_HW,
            confidence_HW=steps_HW.astype(np.float32) / 255,
            model_id=headers["maskwright-bundle"],  # may have changed since this was opened
            labels=self.card.labels,
            image_HWC=self.card.input.select_slice(shown_HWC),
            display=Display.from_input(self.card.input),
            verdict=None if reported is None else Verdict(tuple(json.loads(reported))),
        )

    def label(
        self, image_HWC: Image, valid_HW: ValidMap | None = None, *, where: str = "image"
    ) -> NDArray[np.uint8]:
        """The labels of `predict`."""
        return self.predict(image_HWC, valid_HW, where=where).labels_HW


def _explain(error: HTTPError, url: str, where: str) -> Exception:
    """The error of a server as the one that this machine would raise."""
    try:
        text = json.loads(error.read())["error"]
    except (ValueError, KeyError, TypeError):
        text = f"status {error.code}"
    if error.code >= 500 and error.code not in _CHOSEN:
        return BundleError(f"{where}: {url}: {text}")
    if error.code in (400, 413) and where != url:
        return DataError(f"{where}: {text.removeprefix('image: ')}")
    return ConfigError(f"{url}: {text}")
