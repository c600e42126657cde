"""The models of a server, by name: each version is a process, and one of them answers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ConfigError, suggest
from .child import Child
from .errors import ServingError
from .messages import ModelFacts

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BUNDLE = "bundle"


@dataclass(frozen=True, slots=True)
class NamedModel:
    """A model as the command line names it."""

    name: str
    path: str

    @classmethod
    def parse(cls, text: str) -> "NamedModel":
        """Read `NAME=BUNDLE` or a path, whose name is then that of the run.

        Raises:
            ConfigError: The name has other characters than letters, digits, `.`, `_` and `-`.
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
    """One version of a model: its process, and the requests that it answers now."""

    number: str
    child: Child
    num_requests: int = 0

    @property
    def facts(self) -> ModelFacts:
        """What clients are told of it."""
        if self.child.facts is None:
            raise ServingError(503, f"model {self.child.choice.name} is being loaded")
        return self.child.facts


class Models:
    """The versions of each model; the last one of a list answers where none is named."""

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
        return all(versions[-1].child.is_ready for versions in self._versions.values())

    def list_versions(self, name: str) -> list[Version]:
        """The versions of a model.

        Raises:
            ServingError: 404, there is none of this name.
        """
        if name not in self._versions:
            raise ServingError(404, f"no model named {name!r}{suggest(name, self.names)}")
        return self._versions[name]

    def choose(self, name: str | None, number: str | None = None) -> Version:
        """The version that answers a request.

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
            return versions[-1]
        for version in versions:
            if version.number == number:
                return version
        known = ", ".join(version.number for version in versions)
        raise ServingError(404, f"model {name} has no version {number}; it has {known}")

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
