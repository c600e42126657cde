"""The models of a server, by name: each version is a process, and one of them answers."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ConfigError, suggest
from .child import Child
from .errors import ServingError
from .messages import ModelFacts
from .shadow import Shadow
from .trial import Trial

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BUNDLE = "bundle"
_TAKEN = "stats"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model as the command line names it."""

    name: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "NamedModel":
        """Read `NAME=BUNDLE` or a path, whose name is then that of the run.

        Raises:
            ConfigError: The name has other characters than letters, digits, `.`, `_` and `-`,
                or an address of the server has it.
        """
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            folder = Path(text).resolve()
            folder = folder.parent if folder.name == _BUNDLE else folder
            name, path = re.sub(r"[^A-Za-z0-9._-]", "-", folder.name).lstrip("._-"), text
        if not _NAME.fullmatch(name) or not path:
            raise ConfigError(
                f"{text!r}: the name of a model has letters, digits, '.', '_' and '-', got "
                f"{name!r}; write NAME=BUNDLE"
            )
        if name == _TAKEN:
            raise ConfigError(
                f"{text!r}: {name!r} cannot name a model: /v2/models/{name} has the "
                f"statistics of all models; write NAME=BUNDLE"
            )
        return cls(name, path)


def parse_models(texts: Iterable[str]) -> list[NamedModel]:
    """Read the models of a command line.

    Raises:
        ConfigError: As `NamedModel.parse`, or two have one name.
    """
    found: dict[str, NamedModel] = {}
    for model in map(NamedModel.parse, texts):
        if model.name in found:
            raise ConfigError(
                f"two models are named {model.name!r}: {found[model.name].path} and "
                f"{model.path}; write NAME=BUNDLE"
            )
        found[model.name] = model
    return list(found.values())


@dataclass(slots=True)
class Version:
    """One version of a model: its process, and the requests that it answers now.

    `canary` is the share of clients whose requests a version on trial answers and `trial` what
    ends it where it fails; `shadow` is what compares it with the one in use. All are None for
    the version in use.
    """

    number: str
    child: Child
    canary: float | None = None
    shadow: Shadow | None = None
    trial: Trial | None = None
    num_requests: int = 0

    @property
    def is_on_trial(self) -> bool:
        """Whether it is a canary or a shadow."""
        return self.canary is not None or self.shadow is not None

    @contextmanager
    def lease(self) -> "Iterator[Version]":
        """Count a request; a version ends only where it has none."""
        self.num_requests += 1
        try:
            yield self
        finally:
            self.num_requests -= 1

    @property
    def facts(self) -> ModelFacts:
        """What clients are told of it."""
        if self.child.facts is None:
            raise ServingError(503, f"model {self.child.choice.name} is being loaded")
        return self.child.facts


class Models:
    """The versions of each model: the one in use, and behind it one on trial if any is."""

    def __init__(self, children: Sequence[Child]) -> None:
        self._versions = {
            child.choice.name: [Version(child.choice.version, child)] for child in children
        }

    @property
    def names(self) -> tuple[str, ...]:
        """In the order of the command line."""
        return tuple(self._versions)

    @property
    def is_ready(self) -> bool:
        """Whether every model answers."""
        return all(versions[0].child.is_ready for versions in self._versions.values())

    def list_versions(self, name: str) -> list[Version]:
        """The versions of a model.

        Raises:
            ServingError: 404, there is none of this name.
        """
        if name not in self._versions:
            raise ServingError(404, f"no model named {name!r}{suggest(name, self.names)}")
        return self._versions[name]

    def choose(self, name: str | None, number: str | None = None, key: str = "") -> Version:
        """The version that answers a request; `key` is the client, whom a canary keeps.

        Raises:
            ServingError: 404 for an unknown name or version, 400 where one of several models
                has to be named.
        """
        if name is None:
            if len(self._versions) > 1:
                raise ServingError(400, f"name a model: ?model=, of {', '.join(self.names)}")
            name = self.names[0]
        versions = self.list_versions(name)
        if number is None:
            trial = versions[-1].canary
            return versions[-1] if trial is not None and _draw(key) < trial else versions[0]
        for version in versions:
            if version.number == number:
                return version
        known = ", ".join(version.number for version in versions)
        raise ServingError(404, f"model {name} has no version {number}; it has {known}")

    def add(self, name: str, version: Version) -> list[Version]:
        """Put a version in use or on trial; returns those that answer no new request."""
        versions = self.list_versions(name)
        kept = versions[:1] if version.is_on_trial else []
        self._versions[name] = [*kept, version]
        return [v for v in versions if v not in kept]

    def promote(self, name: str) -> list[Version]:
        """Put the version on trial in use; returns the one before.

        Raises:
            ServingError: 409, none is on trial.
        """
        trial, old = self.require_trial(name), self._versions[name][:-1]
        trial.canary = trial.shadow = trial.trial = None
        self._versions[name] = [trial]
        return old

    def take_back(self, name: str) -> Version:
        """Remove the version on trial and return it; raises as `promote`."""
        trial = self.require_trial(name)
        self._versions[name] = self._versions[name][:-1]
        return trial

    def require_trial(self, name: str) -> Version:
        """The version on trial; raises as `promote`."""
        version = self.list_versions(name)[-1]
        if not version.is_on_trial:
            raise ServingError(409, f"model {name} has no version on trial")
        return version

    async def start(self) -> None:
        """Start every process, one after the other: each measures how fast it is alone.

        Raises:
            BundleError: A model cannot be opened.
        """
        for versions in self._versions.values():
            for version in versions:
                await version.child.start()

    async def stop(self) -> None:
        """End every process."""
        for versions in self._versions.values():
            for version in versions:
                await version.child.stop()


def _draw(key: str) -> float:
    """A number from 0 to 1 that is the same whenever the same client comes."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / (1 << 48)
