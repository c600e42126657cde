"""Read sites.yaml: what differs between the cameras that one rules.yaml judges.

    sites:
      line-1: {mm_per_px: 0.05}
      line-1/left:
        zones:
          bed: {share: [[0.1, 0.4], [0.9, 0.4], [0.9, 1], [0.1, 1]]}
      line-1/right:
        mm_per_px: 0.06
        zones:
          bed: {px: [[100, 400], [1900, 400], [1900, 1080], [100, 1080]]}

A source such as `line-1/left` takes the size of a pixel, and each zone, from its own entry,
else from the entry of what stands before a `/` in it, else from rules.yaml and --mm-per-px.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ...core.errors import ConfigError
from ...core.strictmodel import StrictModel
from ...core.versioned import Schema
from ...core.yamlfile import read_yaml, validate_yaml
from ..ground.roi import Roi
from .rules import ZoneEntry

SCHEMA = Schema(kind="sites.yaml", version=1, unversioned=1, error=ConfigError, key="version")


class SiteEntry(StrictModel):
    """The size of a pixel and the zones of one camera, or of all cameras of a site."""

    mm_per_px: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    zones: dict[str, ZoneEntry] = Field(default_factory=dict)


class SitesFile(StrictModel):
    """The content of sites.yaml."""

    sites: dict[str, SiteEntry] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What holds for one source; `name` is "" where the file says nothing of it.

    `mm_per_px` is None, and a zone is missing, where the file does not have it.
    """

    name: str
    mm_per_px: float | None
    zones: tuple[Roi, ...]


@dataclass(frozen=True, slots=True)
class Sites:
    """The file `path`; sources without an entry have a Site that is empty."""

    path: Path
    entries: Mapping[str, SiteEntry]

    @property
    def names(self) -> tuple[str, ...]:
        """The entries in the order of the file."""
        return tuple(self.entries)

    def find(self, source: str) -> Site:
        """What holds for a source."""
        parts = source.split("/")
        scopes = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        known = [scope for scope in scopes if scope in self.entries]
        mm_per_px, zones = None, dict[str, Roi]()
        for scope in known:  # the nearest entry comes last
            entry = self.entries[scope]
            mm_per_px = mm_per_px if entry.mm_per_px is None else entry.mm_per_px
            zones |= {name: zone.to_roi(name) for name, zone in entry.zones.items()}
        return Site(
            name=known[-1] if known else "", mm_per_px=mm_per_px, zones=tuple(zones.values())
        )


NO_SITES = Sites(Path("sites.yaml"), {})


def read_sites(path: Path) -> Sites:
    """Read the file.

    Raises:
        DataError: It cannot be read.
        ConfigError: Not such a file; the message names the line and the key.
    """
    document = SCHEMA.read(read_yaml(path), where=str(path))
    return Sites(path, validate_yaml(document, SitesFile, path=path).sites)
