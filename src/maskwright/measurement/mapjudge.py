"""MapJudge: judge class maps by rules.yaml as they come, of a stream or of requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..core.errors import ConfigError, DataError, MaskwrightError
from ..core.labels import LabelMap, LabelSpec
from ..data.georef.pixel_scale import PixelScale, PixelSize
from .figures.figures import MeasurePlan, measure_map
from .ground.roi import Mask, Rois
from .rules.rules import OF_CHANGE, Rule, WantedFigure, read_figures, read_rules, read_zones
from .rules.sites import Site, Sites
from .rules.verdicts import Verdict, judge, measure_figures
from .series import MeasureOptions, make_plan, require_rois


class Judgement(NamedTuple):
    """The verdict of each rule for one map, and the figures of all rules and others by title.

    A figure is None where it is unknown or infinite.
    """

    verdicts: Sequence[Verdict]
    figures: Mapping[str, float | None]


@dataclass(slots=True, kw_only=True)
class MapJudge:
    """Judges class maps as `measure` does; regions of interest are the same in all of them."""

    rules: Sequence[Rule]
    figures: Sequence[WantedFigure]
    rois: Rois | None
    spec: LabelSpec
    scale: PixelScale
    plan: MeasurePlan
    _masks: tuple[tuple[int, int], Mapping[str, Mask]] | None = field(default=None, init=False)

    @classmethod
    def open(
        cls,
        path: Path,
        spec: LabelSpec,
        scale: PixelScale,
        *,
        rois: Rois | None,
        min_area: float = 0.0,
    ) -> "MapJudge":
        """Read rules.yaml for the classes of `spec`.

        Raises:
            DataError, ConfigError: As `read_rules`; a rule of change, an unknown region.
        """
        rules = read_rules(path, spec, scale.unit)
        figures = read_figures(path, spec, scale.unit)
        for one in (*rules, *figures):
            if one.measure in OF_CHANGE:
                raise ConfigError(
                    f"{path}: {one.name!r}: {one.measure} compares two dates; use it "
                    f"with maskwright measure --before"
                )
        require_rois((*rules, *figures), rois, where=str(path))
        plan = make_plan(MeasureOptions(min_area=min_area), spec, (*rules, *figures))
        return cls(rules=rules, figures=figures, rois=rois, spec=spec, scale=scale, plan=plan)

    def judge(self, key: str, labels_HW: LabelMap) -> Judgement:
        """The verdict of each rule, and all figures.

        Raises:
            DataError: A zone lies outside of the map.
        """
        masks = self.find_masks(labels_HW.shape)
        measured = measure_map(labels_HW, self.plan, self.scale, rois=masks)
        return Judgement(
            verdicts=list(judge(key, measured, self.rules, self.spec)),
            figures=measure_figures(measured, (*self.rules, *self.figures), self.spec),
        )

    def find_masks(self, size_HW: tuple[int, int]) -> Mapping[str, Mask]:
        """The regions of interest as masks, made once for a size of maps in a row."""
        known = self._masks
        if known is None or known[0] != size_HW:
            regions = self.rois.regions if self.rois else ()
            known = size_HW, {roi.name: roi.mask(size_HW, None) for roi in regions}
            for name, mask_HW in known[1].items():
                if not mask_HW.any():
                    raise DataError(
                        f"{self.rois and self.rois.path}: {name!r} covers no pixel of maps of "
                        f"{size_HW} (H, W); draw it inside them, or in shares of them"
                    )
            self._masks = known
        return known[1]


@dataclass(slots=True, kw_only=True)
class SiteJudges:
    """A MapJudge for each site: zones and the size of a pixel differ between cameras."""

    path: Path
    spec: LabelSpec
    mm_per_px: float | None
    sites: Sites
    _known: dict[str, MapJudge] = field(default_factory=dict, init=False)

    @classmethod
    def open(
        cls, path: Path, spec: LabelSpec, *, mm_per_px: float | None, sites: Sites
    ) -> "SiteJudges":
        """Read rules.yaml for each site, and for sources of none where it has all they need.

        Raises:
            DataError, ConfigError: As `MapJudge.open`; the message names the site.
        """
        judges = cls(path=path, spec=spec, mm_per_px=mm_per_px, sites=sites)
        for name in (*sites.names, ""):
            try:
                judges._known[name] = judges._open(sites.find(name))
            except MaskwrightError as error:
                if not sites.names:
                    raise
                if name:
                    raise type(error)(f"{sites.path}: site {name!r}: {error}") from error
        return judges

    @property
    def rules(self) -> Sequence[Rule]:
        """The rules, whose limits are the same for all sites."""
        return next(iter(self._known.values())).rules

    def find(self, source: str) -> MapJudge:
        """The judge of a source.

        Raises:
            DataError: It has no site, and rules.yaml alone lacks a zone or a scale.
        """
        judge = self._known.get(self.sites.find(source).name)
        if judge is None:
            raise DataError(
                f"source {source!r} has no site, and its rules need a zone or the size of a "
                f"pixel; the sites are {', '.join(self.sites.names)}"
            )
        return judge

    def _open(self, site: Site) -> MapJudge:
        own = {zone.name for zone in site.zones}
        zones = [zone for zone in read_zones(self.path) if zone.name not in own]
        regions = (*zones, *site.zones)
        return MapJudge.open(
            self.path,
            self.spec,
            make_scale(self.mm_per_px if site.mm_per_px is None else site.mm_per_px),
            rois=Rois(path=Path(self.path.name), regions=regions) if regions else None,
        )


def make_scale(mm_per_px: float | None) -> PixelScale:
    """The size of a pixel: that of a square in mm, or 1 px where it is not known."""
    return PixelSize.pixels() if mm_per_px is None else PixelSize.square("mm", mm_per_px)
