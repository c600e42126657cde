"""Versions of the documents that maskwright writes, and how older ones are read.

Each kind of document has one `Schema`. Its number grows when the keys change, and the same
change adds the function that turns a document of the version before into one of the new.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import DataError, MaskwrightError, shorten

Document = dict[str, Any]
KEY = "schema_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One kind of document: its version today, and the upgrade from each older version.

    `upgrades[n]` turns a document of version n into one of version n + 1. `unversioned` is the
    version of documents without the key of the version, None where every document has it.
    `error` is raised where a document cannot be read. `key` is "schema_version"; files that
    people write have "version".
    """

    kind: str
    version: int
    upgrades: Mapping[int, Callable[[Document], Document]] = field(default_factory=dict)
    unversioned: int | None = None
    error: type[MaskwrightError] = DataError
    key: str = KEY

    def stamp(self, document: Mapping[str, Any]) -> Document:
        """The document with its version in front."""
        return {self.key: self.version, **document}

    def read(self, document: object, *, where: str) -> Document:
        """The content in today's version, without that number; the input is unchanged.

        Raises:
            MaskwrightError: Of the type `error`: not such a document, or a version that is
                newer than this package or too old to be upgraded.
        """
        if not isinstance(document, dict):
            raise self.error(f"{where}: not a {self.kind}; expected an object of keys")
        content: Document = {key: value for key, value in document.items() if key != self.key}
        version = document.get(self.key, self.unversioned)
        if type(version) is not int or version < 1:
            raise self.error(
                f"{where}: not a {self.kind} ({self.key!r} is {shorten(repr(version))})"
            )
        if version > self.version:
            raise self.error(
                f"{where}: {self.kind} of version {version}, this maskwright reads up to "
                f"{self.version}; update maskwright"
            )
        for older in range(version, self.version):
            if older not in self.upgrades:
                raise self.error(
                    f"{where}: {self.kind} of version {version}, this maskwright reads from "
                    f"{older + 1} on; write it again"
                )
            content = self.upgrades[older](content)
        return content
