"""MapJudge: judge class maps by rules.yaml as they come, of a stream or of requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import ConfigError, DataError
from ..core.labels import LabelMap, LabelSpec
from ..data.georef.pixel_scale import PixelScale, PixelSize
from .figures.figures import MeasurePlan, measure_map
from .ground.roi import Mask, Rois
from .rules.rules import OF_CHANGE, Rule, read_rules
from .rules.verdicts import Verdict, judge
from .series import MeasureOptions, make_plan, require_rois


@dataclass(slots=True, kw_only=True)
class MapJudge:
    """Judges class maps as `measure` does; regions of interest are the same in all of them."""

    rules: Sequence[Rule]
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
        for rule in rules:
            if rule.measure in OF_CHANGE:
                raise ConfigError(
                    f"{path}: rule {rule.name!r}: {rule.measure} compares two dates; use it "
                    f"with maskwright measure --before"
                )
        require_rois(rules, rois, where=str(path))
        plan = make_plan(MeasureOptions(min_area=min_area), spec, rules)
        return cls(rules=rules, rois=rois, spec=spec, scale=scale, plan=plan)

    def judge(self, key: str, labels_HW: LabelMap) -> list[Verdict]:
        """The verdict of each rule.

        Raises:
            DataError: A zone lies outside of the map.
        """
        masks = self.find_masks(labels_HW.shape)
        figures = measure_map(labels_HW, self.plan, self.scale, rois=masks)
        return list(judge(key, figures, self.rules, self.spec))

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


def make_scale(mm_per_px: float | None) -> PixelScale:
    """The size of a pixel: that of a square in mm, or 1 px where it is not known."""
    return PixelSize.pixels() if mm_per_px is None else PixelSize.square("mm", mm_per_px)
