"""Raw file values <-> class indices; a value that is not listed is an error.

An RGB colour is the packed int 0xRRGGBB (`pack_rgb`). 16-bit values are plain ints. A label of
drawn shapes is its index in `LabelCodec.names`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError, DataError, nearest
from .labels import IGNORE, LabelMap, LabelSpec, Rgb

UNDRAWN = "(undrawn)"
"""The label of pixels that no shape covers."""

TRANSPARENT = 1 << 24
"""The packed colour of pixels with alpha 0, whatever their red, green and blue."""

TRANSPARENT_TEXT = "#00000000"
"""As dataset.yaml writes `TRANSPARENT`."""

_MAX_TABLE = 1 << 16
_SEARCH_PX = 1 << 20
"""Pixels whose values are searched at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCodec:
    """Total mapping from the values in a mask file to class indices.

    Every value that occurs must be listed: either under a class or under `ignored`.
    A value in neither is an error, never a silent IGNORE. `pixels` says what a raw value is:
    one stored integer ("index"), a packed colour ("rgb") or the label of a shape ("name").
    `listing` says how a file of the format lists a raw value, with `{rgb}` for a colour; it is
    part of the error message, and empty where the format has no such file.
    """

    spec: LabelSpec
    raw_to_index: Mapping[int, int]
    ignored: frozenset[int] = frozenset({IGNORE})
    pixels: Literal["index", "rgb", "name"] = "index"
    names: tuple[str, ...] = ()
    listing: str = field(default="", compare=False)
    _raw: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _index: NDArray[np.uint8] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        both = sorted(self.ignored & set(self.raw_to_index))
        if both:
            raise ConfigError(f"raw values {both} are under a class and under 'ignored'")
        outside = sorted(i for i in self.raw_to_index.values() if not 0 <= i < len(self.spec))
        if outside:
            raise ConfigError(f"class indices {outside} are not in 0..{len(self.spec) - 1}")
        table = dict(self.raw_to_index) | dict.fromkeys(self.ignored, IGNORE)
        raw = np.array(sorted(table), np.int64)
        object.__setattr__(self, "_raw", raw)
        object.__setattr__(self, "_index", np.array([table[v] for v in raw.tolist()], np.uint8))

    @classmethod
    def identity(cls, spec: LabelSpec) -> "LabelCodec":
        """Raw value = class index and 255 = IGNORE: the native layout."""
        return cls(spec=spec, raw_to_index={i: i for i in range(len(spec))})

    @classmethod
    def from_colors(cls, spec: LabelSpec) -> "LabelCodec":
        """Raw value = the display colour of a class; nothing is ignored.

        Raises:
            ConfigError: Two classes have one colour.
        """
        raw_to_index: dict[int, int] = {}
        for index, entry in enumerate(spec):
            other = raw_to_index.setdefault(pack_color(entry.color), index)
            if other != index:
                raise ConfigError(
                    f"classes {spec.names[other]!r} and {entry.name!r} have one colour, "
                    f"{entry.color}; give them different ones in dataset.yaml"
                )
        return cls(spec=spec, raw_to_index=raw_to_index, ignored=frozenset(), pixels="rgb")

    def raw_of(self, name: str) -> int:
        """The raw value of a label: its index in `names`, or `len(names)` if not listed."""
        return self.names.index(name) if name in self.names else len(self.names)

    def require_listed(self, counts: Mapping[str, int], *, where: str) -> None:
        """Require that labels are listed; `counts` has the number of shapes of each.

        Raises:
            DataError: Naming the labels, their shapes, and the nearest label that is known.
        """
        unknown = [name for name in counts if name not in self.names]
        if unknown:
            listed = ", ".join(
                f"{n!r} ({counts[n]} shape{'s' * (counts[n] != 1)})" for n in unknown[:8]
            )
            more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
            raise DataError(
                f"{where}: labels {listed}{more} are not in the label codec"
                f"{nearest(unknown[0], self.names)}; in dataset.yaml, list them as 'raw' of a "
                f"class or add them to 'ignored'"
            )

    def decode(self, raw_HW: NDArray[np.integer], *, where: str) -> LabelMap:
        """Class indices for one mask.

        Args:
            raw_HW: Values as stored in the file (packed with `pack_rgb` where RGB).
            where: File name or key, for the error message.

        Raises:
            DataError: A value is neither mapped nor ignored.
        """
        if raw_HW.dtype == np.uint8 and raw_HW.size:
            return self._decode_bytes(np.ascontiguousarray(raw_HW), where)
        if raw_HW.dtype == np.uint16:
            table, known = self._tables(_MAX_TABLE)
        else:
            return self._decode_by_search(raw_HW, where)
        if not known.all() and not known[raw_HW].all():
            raise self._find_unlisted(raw_HW, where)
        labels_HW: LabelMap = table[raw_HW]
        return labels_HW

    def lists(self, raw: int) -> bool:
        """Whether a raw value is that of a class, or ignored."""
        return raw in self.raw_to_index or raw in self.ignored

    def encode(self, labels_HW: LabelMap) -> NDArray[np.unsignedinteger]:
        """The smallest raw value of each class, and the smallest ignored value for IGNORE."""
        ignored = [raw for raw in self.ignored if raw >= 0]
        table = np.full(256, min(ignored, default=IGNORE), np.uint32)
        for raw, index in sorted(self.raw_to_index.items(), reverse=True):
            table[index] = raw
        raw_HW: NDArray[np.unsignedinteger] = table[labels_HW]
        if self.pixels == "rgb":
            return raw_HW
        return raw_HW.astype(np.uint8 if table.max() < 256 else np.uint16)

    def _decode_bytes(self, raw_HW: NDArray[np.uint8], where: str) -> LabelMap:
        """As `decode`, in a sixth of the time of indexing; may return `raw_HW` itself."""
        import cv2

        table, known = self._tables(256)
        if not _all_known(raw_HW, known):
            raise self._find_unlisted(raw_HW, where)
        if (table[known] == np.flatnonzero(known)).all():
            return raw_HW
        return np.asarray(cv2.LUT(raw_HW, table), np.uint8).reshape(raw_HW.shape)

    def _tables(self, size: int) -> tuple[LabelMap, NDArray[np.bool_]]:
        table, known = np.full(size, IGNORE, np.uint8), np.zeros(size, np.bool_)
        inside = (self._raw >= 0) & (self._raw < size)
        table[self._raw[inside]] = self._index[inside]
        known[self._raw[inside]] = True
        return table, known

    def _decode_by_search(self, raw_HW: NDArray[np.integer], where: str) -> LabelMap:
        labels_HW = np.empty(raw_HW.shape, np.uint8)
        rows = max(1, _SEARCH_PX // max(1, raw_HW.shape[-1]))
        for top in range(0, len(raw_HW), rows):  # positions take eight bytes per pixel
            band = raw_HW[top : top + rows]
            position = np.searchsorted(self._raw, band).clip(max=len(self._raw) - 1)
            if (self._raw[position] != band).any():
                raise self._find_unlisted(raw_HW, where)
            labels_HW[top : top + rows] = self._index[position]
        return labels_HW

    def _find_unlisted(self, raw_HW: NDArray[np.integer], where: str) -> DataError:
        values, counts = np.unique(raw_HW, return_counts=True)
        unknown = [
            f"{self.format_raw(value)} ({count} px)"
            for value, count in zip(values.tolist(), counts.tolist(), strict=True)
            if value not in self.raw_to_index and value not in self.ignored
        ]
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        return DataError(
            f"{where}: mask values {', '.join(unknown[:8])}{more} are not in the label codec; "
            f"{self._how_to_list(unknown[0])}in dataset.yaml, list them as 'raw' of a class or "
            f"add them to 'ignored'"
        )

    def _how_to_list(self, shown: str) -> str:
        if not self.listing:
            return ""
        rgb = ",".join(map(str, bytes.fromhex(shown[1:7]))) if self.pixels == "rgb" else ""
        return f"{self.listing.format(rgb=rgb)}, or "

    def format_raw(self, raw: int) -> str:
        """A raw value as dataset.yaml writes it: 7, '#804080' for a colour, or a label: car."""
        if self.pixels == "rgb" and raw == TRANSPARENT:
            return TRANSPARENT_TEXT
        if self.pixels == "name":
            return self.names[raw] if raw < len(self.names) else UNDRAWN
        return f"#{raw:06x}" if self.pixels == "rgb" else str(raw)


def _all_known(raw_HW: NDArray[np.uint8], known: NDArray[np.bool_]) -> bool:
    """Whether every value is known; by comparisons where that is 0..k, with or without 255."""
    num_low = int(np.argmin(known[:IGNORE]))
    if num_low and not known[num_low:IGNORE].any():
        num_high = np.count_nonzero(raw_HW >= num_low)
        allowed = np.count_nonzero(raw_HW == IGNORE) if num_high and known[IGNORE] else 0
        return bool(num_high == allowed)
    return bool(known[raw_HW].all())


def pack_color(color: Rgb) -> int:
    """Pack one colour as 0xRRGGBB."""
    red, green, blue = color
    return red << 16 | green << 8 | blue


def unpack_color(packed: int) -> Rgb:
    """Undo `pack_color`; `TRANSPARENT` is shown as black."""
    return packed >> 16 & 255, packed >> 8 & 255, packed & 255


def pack_rgb(rgb_HW3: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Pack colours as 0xRRGGBB, H x W; widened first, since uint8 would overflow."""
    packed_HW = rgb_HW3[..., 0].astype(np.uint32)
    for channel in (1, 2):  # in place: one wide array and no more
        packed_HW <<= 8
        packed_HW |= rgb_HW3[..., channel]
    return packed_HW
