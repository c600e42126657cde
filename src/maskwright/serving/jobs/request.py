"""What a client asks a job to do, and what its first bytes say about the file that it sends."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from ...core.errors import ConfigError, DataError, MaskwrightError, UnknownNameError
from ...inference.outputs import ALL
from ...inference.tiling import Tiling
from ...inference.video.outputs import DEFAULT_KINDS
from ...inference.video.predict import StreamOptions
from ...inference.wanted import Wanted
from ..errors import ServingError
from ..modelprocess.process import ModelChoice

FOLDER, IMAGE, VIDEO = "folder", "image", "video"
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
ZIP = ".zip"

_NAMES = {
    IMAGE: {"write", "tile", "refine", "vectorise", "level"},
    VIDEO: {"write", "refine", "smooth", "keyframes"},
}
_NAMES[FOLDER] = _NAMES[IMAGE]
_ALWAYS = {"model", "version", "name"}
_FILE_NAME = re.compile(r"\w[\w .()+-]{0,150}")
_MAX_MEMORY = "4GB"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """The work of one job: a file of a client, `name`, and what `predict` or `video` writes.

    Raises ServingError with status 400 for a name or a value that is wrong.
    """

    name: str
    kind: str
    choice: ModelChoice
    bundle: str
    write: tuple[str, ...]
    tile: str = "auto"
    refine: str | None = None
    vectorise: str | None = None
    level: str | None = None
    smooth: float = 0.0
    keyframes: int = 1

    def __post_init__(self) -> None:
        try:
            if self.kind == VIDEO:
                StreamOptions(write=self.write)
                if not 0 <= self.smooth < 1 or self.keyframes < 1:
                    raise ConfigError(
                        f"smooth is {self.smooth:g} and keyframes {self.keyframes}; expected "
                        f"0 to below 1, and at least 1"
                    )
            else:
                Wanted(write=self.write, vectorise=self.vectorise, level=self.level)
                self.open_tiling()
        except MaskwrightError as error:
            raise ServingError(400, str(error)) from error

    @classmethod
    def from_query(
        cls, values: Mapping[str, str], name: str, choice: ModelChoice, bundle: str
    ) -> Self:
        """Read the options of a query for the file `name`."""
        kind = find_kind(name)
        allowed = _NAMES[kind]
        unknown = sorted(set(values) - allowed - _ALWAYS)
        if unknown:
            reason = UnknownNameError(f"option of a job on a {kind}", unknown[0], allowed)
            raise ServingError(400, str(reason))
        write = values.get("write")
        usual = DEFAULT_KINDS if kind == VIDEO else ALL
        return cls(
            name=name,
            kind=kind,
            choice=choice,
            bundle=bundle,
            write=tuple(usual) if write is None else tuple(filter(None, write.split(","))),
            tile=values.get("tile", "auto"),
            refine=values.get("refine"),
            vectorise=values.get("vectorise"),
            level=values.get("level"),
            smooth=_read_number(values, "smooth", 0.0),
            keyframes=int(_read_number(values, "keyframes", 1)),
        )

    def open_tiling(self) -> Tiling:
        """How images are cut; raises ConfigError for another text."""
        return Tiling.from_text(self.tile, overlap=None, max_memory=_MAX_MEMORY)

    def to_json(self) -> dict[str, object]:
        """An object of all values."""
        return asdict(self) | {"choice": self.choice.to_json(), "write": list(self.write)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Undo `to_json`."""
        choice = ModelChoice.from_json(document["choice"])
        return cls(**{**document, "choice": choice, "write": tuple(document["write"])})


def _read_number(values: Mapping[str, str], name: str, usual: float) -> float:
    try:
        return float(values.get(name, usual))
    except ValueError as error:
        raise ServingError(400, f"{name} is {values[name]!r}, expected a number") from error


def require_name(name: str) -> str:
    """The name of a file that a client gives, which becomes the name of its results.

    Raises:
        ServingError: 400, it is a path or has other characters than those of names.
    """
    if not _FILE_NAME.fullmatch(name) or name.endswith((" ", ".")):
        raise ServingError(
            400,
            f"name is {name[:200]!r}; use the name of the file, such as scan.tif: letters, "
            f"digits, spaces and . _ - + ( )",
        )
    find_kind(name)
    return name


def find_kind(name: str) -> str:
    """What a file is by the ending of its name.

    Raises:
        ServingError: 400 for another ending.
    """
    from ...data.pixels.images import image_suffixes

    lower = name.lower()
    if lower.endswith(ZIP):
        return FOLDER
    if lower.endswith(VIDEO_SUFFIXES):
        return VIDEO
    if lower.endswith(image_suffixes()):
        return IMAGE
    raise ServingError(
        400,
        f"{name}: expected an image, a ZIP file of images, or a video: "
        f"{', '.join((ZIP, *VIDEO_SUFFIXES, *image_suffixes()))}",
    )


def require_content(start: bytes, name: str) -> None:
    """Refuse a file that is no ZIP file or no video although its name says so.

    Readers of images look into the file by themselves.

    Raises:
        DataError: It begins in another way.
    """
    kind = find_kind(name)
    is_video = (
        start[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free")
        or start.startswith(b"\x1a\x45\xdf\xa3")
        or (start[:4] == b"RIFF" and start[8:12] == b"AVI ")
    )
    if (kind == FOLDER and start[:2] != b"PK") or (kind == VIDEO and not is_video):
        wanted = "a ZIP file" if kind == FOLDER else "a video (MP4, MOV, MKV, WebM, AVI)"
        raise DataError(
            f"{name}: expected {wanted}, it begins with {start[:8].hex(' ') or 'nothing'}"
        )
