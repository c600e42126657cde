"""Inputs that are no paths: `-`, the standard input, and addresses of images.

Only https is fetched, and only where the caller allows it: an address in a list of inputs would
else make a machine that predicts call another one. A fetch ends after `LIMIT_S` seconds or
`MOST_BYTES` bytes, and a redirect to another scheme is refused.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ..core.errors import ConfigError, DataError
from ..data.pixels.images import image_suffixes

STDIN = "-"
LIMIT_S = 300.0
MOST_BYTES = 1 << 30
_SILENCE_S = 30.0
_CHUNK = 1 << 20
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://")
_IMAGES = {
    b"\x89PNG": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
}
"""The first bytes of the images that the standard input may hold."""

_SCHEMES = ("https",)
HTTP = ("http", "https")
"""Schemes of stores that need no credentials, and so the consent of the caller."""

OpenAddress = Callable[[str], IO[bytes]]


@contextmanager
def fetch_inputs(
    inputs: Iterable[str],
    *,
    stdin: IO[bytes],
    allow_download: bool = False,
    open_address: OpenAddress | None = None,
) -> Iterator[list[Path]]:
    """Yield the paths of all inputs; what was fetched is removed when the block ends.

    Args:
        inputs: Paths, addresses, and `-` for the standard input: one image, or a list of paths
            and addresses, one per line.
        stdin: The standard input.
        allow_download: Whether addresses are fetched.
        open_address: Opens an address; over https unless given.

    Raises:
        ConfigError: An address, and downloads are not allowed; another scheme than https.
        DataError: The standard input holds neither, or an address cannot be fetched.
    """
    with TemporaryDirectory(prefix="maskwright-") as folder:
        names = list(_expand(inputs, stdin, Path(folder)))
        for name in names:
            require_allowed(name, allow_download=allow_download)
        yield [
            _download(name, Path(folder) / str(index), open_address or _open_https)
            if _ADDRESS.match(name)
            else Path(name)
            for index, name in enumerate(names)
        ]


def _expand(inputs: Iterable[str], stdin: IO[bytes], folder: Path) -> Iterator[str]:
    """The inputs, with what the standard input holds in place of `-`."""
    for name in inputs:
        if name != STDIN:
            yield name
            continue
        content = stdin.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise DataError(f"standard input: over {MOST_BYTES:,} bytes; give a file")
        suffix = next((s for start, s in _IMAGES.items() if content.startswith(start)), None)
        if suffix is not None:
            image = folder / f"stdin{suffix}"
            image.write_bytes(content)
            yield str(image)
            continue
        try:
            lines = content.decode().splitlines()
        except UnicodeDecodeError as error:
            raise DataError(
                "standard input: neither an image (PNG, JPEG, TIFF, BMP, WebP) nor a list of "
                "paths, one per line; give the file by its name"
            ) from error
        paths = [line for line in lines if line.strip()]
        if not paths:
            raise DataError("standard input: is empty; expected an image or a list of paths")
        yield from paths


def require_allowed(
    name: str, schemes: Collection[str] = _SCHEMES, *, allow_download: bool
) -> None:
    """Refuse an address that is not to be fetched; a path passes.

    Raises:
        ConfigError: Downloads are not allowed, or not those of a scheme.
    """
    match = _ADDRESS.match(name)
    if match is None:
        return
    scheme = match["scheme"].lower()
    if scheme not in schemes and schemes == _SCHEMES:
        raise ConfigError(
            f"{name}: only https is fetched, not {match['scheme']}; download the file and give "
            f"its path"
        )
    if scheme in schemes and not allow_download:
        raise ConfigError(
            f"{name}: is an address; allow to fetch it with --allow-download, or download the "
            f"file and give its path"
        )


def _download(address: str, folder: Path, open_address: OpenAddress) -> Path:
    """Fetch one image into a new folder; its name is the end of the address."""
    name = PurePosixPath(unquote(urlsplit(address).path)).name
    if not name.lower().endswith(image_suffixes()):
        raise DataError(
            f"{address}: its name does not end as that of an image "
            f"({', '.join(image_suffixes())}); download the file and give its path"
        )
    folder.mkdir()
    path = folder / name
    started_s, size = time.monotonic(), 0
    try:
        with open_address(address) as source, path.open("wb") as target:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                if size > MOST_BYTES:
                    raise DataError(f"{address}: over {MOST_BYTES:,} bytes; use tiles")
                if time.monotonic() - started_s > LIMIT_S:
                    raise DataError(f"{address}: not complete after {LIMIT_S:g} s; try later")
                target.write(chunk)
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(f"{address}: cannot be fetched: {reason}; check the address") from error
    return path


class _HttpsRedirects(HTTPRedirectHandler):
    """Follows a redirect to https alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        require_allowed(newurl, allow_download=True)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open_https(address: str) -> IO[bytes]:
    opened: IO[bytes] = build_opener(_HttpsRedirects).open(address, timeout=_SILENCE_S)
    return opened
