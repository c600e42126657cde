"""Pictures of the slices of volumes for the report, kept while images are read.

At most `MOST_SLICES` slices are kept, as many of each volume, evenly spread.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.patients import VolumePictures
from ..core.sample import Sample
from ..data.entries.scan import name_volume
from ..data.pixels.imagefile import ImageFile
from ..metrics.family import ScoredImage
from ..pages.display import Display
from ..pages.pictures import RgbImage, encode_indexed_png, encode_jpeg
from ..pages.text import format_share
from .extremes import ShownImage, panel_colors

MOST_SLICES = 300
LEAST_PER_VOLUME = 8
"""Volumes beyond `MOST_SLICES / LEAST_PER_VOLUME` are not shown."""
_LONGEST_PX = 256


@dataclass(slots=True, kw_only=True)
class VolumeAlbum:
    """Keeps pictures of `planned` slices: by key the name of the volume and the index in it.

    `places` has those of all slices, and `sizes` the number of slices of each volume, also of
    volumes that are not shown.
    """

    palette: RgbImage
    display: Display
    names: tuple[str, ...]
    planned: Mapping[str, tuple[str, int]]
    places: Mapping[str, tuple[str, int]]
    sizes: Mapping[str, int]
    _patients: dict[str, str] = field(default_factory=dict)
    _slices: dict[str, dict[int, Mapping[str, bytes]]] = field(default_factory=dict)
    _notes: dict[str, dict[int, str]] = field(default_factory=dict)

    @classmethod
    def plan(
        cls,
        files: Mapping[str, ImageFile | None],
        groups: Mapping[str, str],
        *,
        palette: RgbImage,
        display: Display,
        names: tuple[str, ...],
    ) -> "VolumeAlbum":
        """Plan the slices to keep of the images, by key, that are slices of volumes."""
        volumes: dict[str, list[tuple[str, int]]] = {}
        sizes: dict[str, int] = {}
        for key, file in files.items():
            if file is not None and file.ref.page is not None and file.spacing_mm_DHW:
                name = name_volume(key, groups[key])
                volumes.setdefault(name, []).append((key, file.ref.page))
                sizes[name] = file.num_pages
        shown = list(volumes)[: MOST_SLICES // LEAST_PER_VOLUME]
        most = max(LEAST_PER_VOLUME, MOST_SLICES // max(1, len(shown)))
        return cls(
            palette=palette,
            display=display,
            names=names,
            planned={
                key: (name, index)
                for name in shown
                for key, index in _spread(volumes[name], most)
            },
            places={key: (name, i) for name, own in volumes.items() for key, i in own},
            sizes=sizes,
        )

    def add(self, sample: Sample, image: ScoredImage, group: str) -> None:
        """Keep the pictures of one image, if it is one of the planned slices."""
        place = self.planned.get(sample.key)
        if place is None:
            return
        name, index = place
        rgb_HW3 = self.display.draw(sample.image_HWC, sample.valid_HW)
        shown = ShownImage.from_maps(
            image.truth_HW, image.predicted_HW, rgb_HW3, longest_px=_LONGEST_PX
        )
        colors = panel_colors(self.palette)
        self._patients[name] = group
        self._slices.setdefault(name, {})[index] = {
            "image": encode_jpeg(rgb_HW3 if shown.image_hw3 is None else shown.image_hw3),
            "truth": encode_indexed_png(shown.truth_hw, colors),
            "prediction": encode_indexed_png(shown.predicted_hw, colors),
        }
        self._notes.setdefault(name, {})[index] = self._describe(image)

    def _describe(self, image: ScoredImage) -> str:
        """Dice of the classes of a slice."""
        counts_CC = image.confusion.counts_CC
        both_C = counts_CC.sum(axis=0) + counts_CC.sum(axis=1)
        dices = (
            f"{name} {format_share(2 * int(counts_CC[i, i]) / int(both_C[i]))}"
            for i, name in enumerate(self.names)
            if both_C[i]
        )
        return f"Dice: {', '.join(dices)}" if both_C.any() else ""

    def finish(self) -> tuple[VolumePictures, ...]:
        """The volumes, in the order in which their first slices came."""
        return tuple(
            VolumePictures(
                volume=name,
                patient=self._patients[name],
                num_slices=self.sizes[name],
                slices=slices,
                notes=self._notes[name],
            )
            for name, slices in self._slices.items()
        )


def _spread(slices: list[tuple[str, int]], most: int) -> list[tuple[str, int]]:
    """At most so many slices, evenly spread."""
    step = max(1.0, len(slices) / most)
    return [slices[int(i * step)] for i in range(min(most, len(slices)))]
