"""Files behind an address that fsspec opens: s3, gs, http and others; and what fails there.

    s3://bucket/images       a folder: every object whose name begins with images/
    file:///data/images      a path of this machine, see `to_path`

Credentials and endpoints are those of the environment (AWS_PROFILE, AWS_ENDPOINT_URL, ...).
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from .errors import ConfigError, DataError, MaskwrightError, MissingDependencyError, OutputError

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://")
_LOCAL = ("file", "local")
_READ_ONLY = ("http", "https")
_CLIENTS = {"s3": "s3fs", "s3a": "s3fs", "http": "aiohttp", "https": "aiohttp"}
_VERSIONS = ("ETag", "etag", "mtime", "LastModified", "updated", "created")


def find_scheme(text: Path | str) -> str | None:
    """The scheme of an address in lower case; None for a path, and for file:// as well."""
    match = _ADDRESS.match(str(text))
    scheme = match["scheme"].lower() if match else None
    return None if scheme in _LOCAL else scheme


def to_path(text: Path | str) -> Path:
    """The path that a text names, which may begin with file://."""
    match = _ADDRESS.match(str(text))
    return Path(unquote(urlsplit(str(text)).path)) if match else Path(text)


def join_address(root: str, name: str) -> str:
    """The address of a file below a root; that of the root for the name ""."""
    return f"{root}/{name}" if name else root


@dataclass(frozen=True, slots=True, order=True)
class StoredFile:
    """One file of a store: its name below the root, its size, and its version as text.

    The size is -1 where the store does not say it. The root itself has the name "".
    """

    name: str
    size: int
    version: str


class Store:
    """The folder at an address.

    Raises ConfigError for a scheme that fsspec does not know, and MissingDependencyError where
    the package of the scheme is not installed.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self.scheme = find_scheme(address) or _LOCAL[0]
        try:
            import fsspec

            self._files, root = fsspec.url_to_fs(self.address)
        except ImportError as error:
            package = _CLIENTS.get(self.scheme)
            if package is None and (error.name or "fsspec") != "fsspec":
                raise ConfigError(f"{address}: {error}; install the package") from error
            raise MissingDependencyError(package or "fsspec", "scale") from error
        except ValueError as error:
            raise ConfigError(
                f"{address}: {error}; use a path, or an address of s3, gs or http"
            ) from error
        self._root = root.rstrip("/")

    def name(self, name: str) -> str:
        """The address of a file."""
        return join_address(self.address, name)

    def list_files(self) -> list[StoredFile]:
        """Every file below the root, or the root where it is one; none where nothing is there.

        Raises:
            DataError: The store refuses.
        """
        with self._explaining(self.address, DataError):
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return []
        files = (self._describe(path, info) for path, info in found.items())
        return [file for file in files if not file.name.endswith("/")]

    def fetch(self, file: StoredFile, target: Path) -> None:
        """Copy a file to a path.

        Raises:
            DataError: The store refuses, or fewer bytes arrive than it announced.
        """
        address = self.name(file.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._explaining(address, DataError):
            self._files.get_file(self._path(file.name), str(target))
        size = target.stat().st_size
        if file.size not in {-1, size}:
            raise DataError(
                f"{address}: cut short: {size:,} of {file.size:,} bytes arrived; try again"
            )

    def read(self, name: str) -> bytes:
        """The content of a small file.

        Raises:
            DataError: The store refuses, or there is no such file.
        """
        with self._explaining(self.name(name), DataError):
            return bytes(self._files.cat_file(self._path(name)))

    def put(self, source: Path, name: str) -> None:
        """Write a file with the content of another; complete, or not there.

        Raises:
            OutputError: The store refuses.
        """
        with self._explaining(self.name(name), OutputError):
            self._files.put_file(str(source), self._path(name))

    def write(self, name: str, content: bytes) -> None:
        """Write a small file; raises as `put`."""
        with self._explaining(self.name(name), OutputError):
            self._files.pipe_file(self._path(name), content)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; raises as `put`."""
        for name in names:
            with self._explaining(self.name(name), OutputError):
                self._files.rm_file(self._path(name))

    def require_writable(self) -> None:
        """Refuse a scheme to which nothing can be written.

        Raises:
            ConfigError: It is http.
        """
        if self.scheme in _READ_ONLY:
            raise ConfigError(
                f"{self.address}: {self.scheme} is read only; write to a folder, or to s3 or gs"
            )

    def _path(self, name: str) -> str:
        return join_address(self._root, name)

    def _describe(self, path: str, info: Mapping[str, Any]) -> StoredFile:
        versions = (str(info[key]) for key in _VERSIONS if info.get(key) is not None)
        size = info.get("size")
        name = path[len(self._root) :].lstrip("/")
        return StoredFile(name, -1 if size is None else int(size), next(versions, ""))

    @contextmanager
    def _explaining(self, address: str, error: type[MaskwrightError]) -> Iterator[None]:
        """Turn a failure of the store into `error`, with the address and the fix."""
        try:
            yield
        except _list_failures() as cause:
            verb = "written" if error is OutputError else "read"
            raise error(f"{address}: cannot be {verb}: {_describe_failure(cause)}") from cause


def _list_failures() -> tuple[type[Exception], ...]:
    """What stores raise; their packages are asked only where they are loaded."""
    failures: list[type[Exception]] = [OSError, NotImplementedError]
    if "botocore" in sys.modules:
        from botocore.exceptions import BotoCoreError, ClientError

        failures += [BotoCoreError, ClientError]
    if "aiohttp" in sys.modules:
        from aiohttp import ClientError as HttpError

        failures.append(HttpError)
    return tuple(failures)


def _describe_failure(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    if isinstance(error, PermissionError):
        return f"permission denied ({text}); check the credentials and the rights on it"
    if isinstance(error, FileNotFoundError):
        return f"it is not there ({text}); check the address"
    if type(error).__name__ == "NoCredentialsError":
        return f"{text}; set the credentials in the environment"
    return f"{text}; check the network and the address, then try again"
