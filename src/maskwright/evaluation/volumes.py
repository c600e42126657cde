"""Whole volumes among the images that are scored, and their counts.

The slices of a file are a volume where all of them are scored and its header states the
distance of slices and the size of pixels. Images are scored as volumes where every one of them
is a slice of a volume; else each image stands alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import DataError
from ..core.labels import LabelSpec
from ..core.patients import PatientScores
from ..data.entries.scan import name_volume
from ..data.pixels.imagefile import ImageFile
from ..metrics.counts import Counts
from ..metrics.family import ScoreDetail, ScoredImage
from ..metrics.volume import PatientSums, VolumeSlice, VolumeSurfaces
from .counting import Scoring

_OF_PATIENTS = ("patients", "surface")
"""Families whose scores a patient has alone."""
_COUNTED = frozenset({"patients", "surface_images", "surface_missed", "surface_invented"})


def find_volumes(
    files: Mapping[str, ImageFile | None], groups: Mapping[str, str], detail: ScoreDetail
) -> dict[str, VolumeSlice]:
    """Find the volume of each image by key; empty where not all images are slices of volumes.

    With a spacing of three numbers in `detail`, the images of a group are a volume, in the
    order of `files`; with one of two numbers, each image stands alone.
    """
    if detail.ruler is not None and detail.ruler.depth is not None:
        spacing = (detail.ruler.depth, *detail.ruler.spacing_HW)
        return _stack_groups(groups, spacing)
    if detail.ruler is not None and detail.ruler.unit == "mm":  # a given size of pixels alone
        return {}
    slices: dict[str, VolumeSlice] = {}
    pages: dict[str, int] = {}
    for key, file in files.items():
        spacing_mm = None if file is None else file.spacing_mm_DHW
        if file is None or spacing_mm is None:
            return {}
        volume = str(file.ref.shown_file)
        index, count = file.ref.page or 0, file.num_pages
        if index != pages.get(volume, 0):  # a slice is missing, or slices are not in order
            return {}
        pages[volume] = index + 1
        slices[key] = VolumeSlice(
            volume=volume, index=index, count=count, spacing_mm_DHW=spacing_mm
        )
    whole = all(pages[s.volume] == s.count for s in slices.values())
    return slices if whole else {}


def _stack_groups(
    groups: Mapping[str, str], spacing_mm_DHW: tuple[float, float, float]
) -> dict[str, VolumeSlice]:
    keys: dict[str, list[str]] = {}
    for key, group in groups.items():
        keys.setdefault(group, []).append(key)
    return {
        key: VolumeSlice(
            volume=group, index=index, count=len(own), spacing_mm_DHW=spacing_mm_DHW
        )
        for group, own in keys.items()
        for index, key in enumerate(own)
    }


@dataclass(slots=True, kw_only=True)
class VolumeTally:
    """Counts of whole volumes and of patients, fed one slice after the other."""

    detail: ScoreDetail
    _surfaces: dict[str, VolumeSurfaces] = field(default_factory=dict)
    _patients: dict[str, PatientSums] = field(default_factory=dict)
    _of_surfaces: dict[str, Counts] = field(default_factory=dict)
    """The counts of the surfaces of all volumes of a patient, by group."""
    _volumes: dict[str, list[str]] = field(default_factory=dict)
    """The volumes of a patient by the names that pages have, by group."""

    def add(self, image: ScoredImage, group: str) -> Iterator[tuple[str, Counts]]:
        """Add one slice; yields the group and the surfaces of a volume that is complete.

        Raises:
            DataError: The slice is of another size than those before.
            MissingDependencyError: Surfaces of volumes need SciPy.
        """
        place = self.detail.volumes.get(image.key)
        if place is None:
            return
        names = self._volumes.setdefault(group, [])
        if (name := name_volume(image.key, group)) not in names:
            names.append(name)
        counts_CC = image.confusion.counts_CC
        sums = self._patients.setdefault(group, PatientSums.zero(len(counts_CC)))
        sums.add(counts_CC, place.voxel_ml, share=1 / place.count)
        ruler = self.detail.ruler
        if ruler is None:
            return
        surfaces = self._surfaces.setdefault(
            place.volume, VolumeSurfaces(num_classes=len(counts_CC))
        )
        try:
            surfaces.add(image.truth_HW, image.predicted_HW)
        except DataError as error:
            raise DataError(f"{image.key}: {error}") from error
        if place.index == place.count - 1:
            del self._surfaces[place.volume]
            counts = surfaces.finish(ruler, place.spacing_mm_DHW)
            before = self._of_surfaces.get(group, {})
            self._of_surfaces[group] = {n: a + before.get(n, 0) for n, a in counts.items()}
            yield group, counts

    def list_patients(self) -> Iterator[tuple[str, Counts]]:
        """The counts of each patient, by group."""
        for group, sums in self._patients.items():
            yield group, sums.count()

    def score_patients(self, labels: LabelSpec, scoring: Scoring) -> tuple[PatientScores, ...]:
        """The scores of each patient, in the order of their first slices."""
        families = [scoring.families[n] for n in _OF_PATIENTS if n in scoring.families]
        found = []
        for group, sums in self._patients.items():
            counts = {**sums.count(), **self._of_surfaces.get(group, {})}
            by_class: dict[str, dict[str, float]] = {name: {} for name in labels.names}
            for family in families:
                for key, values_C in family.scores(counts, self.detail).classes.items():
                    if key not in _COUNTED:
                        pairs = zip(labels.names, np.asarray(values_C).tolist(), strict=True)
                        for name, value in pairs:
                            by_class[name][key] = float(value)
            present = (sums.truth_ml + sums.predicted_ml > 0).tolist()
            shown = {
                n: by_class[n] for n, is_in in zip(labels.names, present, strict=True) if is_in
            }
            found.append(
                PatientScores(patient=group, volumes=tuple(self._volumes[group]), classes=shown)
            )
        return tuple(found)


def fill_counts(counts: Counts, like: Counts) -> Counts:
    """Counts with all names of `like`: zeros where `counts` has none."""
    return {name: counts.get(name, np.zeros_like(array)) for name, array in like.items()}
