"""Rules on the frames of a stream: each is judged as `measure` judges an image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...core.errors import ConfigError, DataError
from ...core.labels import LabelSpec
from ...core.stream import LabelledFrame
from ...data.georef.pixel_scale import PixelScale
from ..figures.figures import MeasurePlan, measure_map
from ..ground.roi import Mask, Rois
from ..rules.rules import OF_CHANGE, Rule, read_rules
from ..rules.verdicts import Verdict, judge
from ..series import MeasureOptions, make_plan, require_rois
from .event import Change, Seen, Tracker

RULE = "rule"


@dataclass(slots=True, kw_only=True)
class RuleWatch:
    """Judges every frame by all rules, and follows each rule by a Tracker."""

    rules: Sequence[Rule]
    rois: Rois | None
    spec: LabelSpec
    scale: PixelScale
    plan: MeasurePlan
    trackers: Sequence[Tracker]
    _masks: dict[str, Mask] = field(default_factory=dict, init=False)
    _size_HW: tuple[int, int] | None = field(default=None, init=False)

    @classmethod
    def open(
        cls,
        path: Path,
        spec: LabelSpec,
        scale: PixelScale,
        *,
        rois: Rois | None,
        numbers: Iterator[int],
        min_area: float = 0.0,
    ) -> "RuleWatch":
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
        return cls(
            rules=rules,
            rois=rois,
            spec=spec,
            scale=scale,
            plan=make_plan(MeasureOptions(min_area=min_area), spec, rules),
            trackers=[
                Tracker(
                    kind=RULE,
                    name=rule.name,
                    zone=rule.roi or "",
                    limit=rule.text,
                    unit=rule.unit,
                    for_s=rule.for_s,
                    clear_s=rule.clear_s,
                    numbers=numbers,
                )
                for rule in rules
            ],
        )

    def update(self, one: LabelledFrame, *, away_s: float) -> Iterator[Change]:
        """Judge the next frame.

        Raises:
            DataError: A zone lies outside of the frame.
        """
        masks = self._find_masks(one.labels_HW.shape)
        figures = measure_map(one.labels_HW, self.plan, self.scale, rois=masks)
        verdicts = judge(one.frame.key, figures, self.rules, self.spec)
        for verdict, tracker in zip(verdicts, self.trackers, strict=True):
            yield from tracker.update(one, self._describe(verdict, one, masks), away_s=away_s)

    def finish(self) -> Iterator[Change]:
        """The events that last at the end of the stream."""
        for tracker in self.trackers:
            yield from tracker.finish()

    def describe(self) -> list[str]:
        """How many rules there are."""
        return [f"judged by {len(self.rules)} rules"]

    def _describe(self, verdict: Verdict, one: LabelledFrame, masks: dict[str, Mask]) -> Seen:
        rule, value = verdict.rule, verdict.value
        place_HW = masks[rule.roi] if rule.roi else np.ones(one.labels_HW.shape, np.bool_)
        badness = float("-inf") if value is None else value if rule.is_upper else -value
        return Seen(
            holds=not verdict.passed,
            value=value,
            badness=badness,
            place_HW=place_HW,
            classes=tuple(self.spec.names[index] for index in rule.classes),
        )

    def _find_masks(self, size_HW: tuple[int, int]) -> dict[str, Mask]:
        """The regions of interest as masks, made once for a size of frames."""
        if size_HW != self._size_HW:
            regions = self.rois.regions if self.rois else ()
            self._masks = {roi.name: roi.mask(size_HW, None) for roi in regions}
            self._size_HW = size_HW
            for name, mask_HW in self._masks.items():
                if not mask_HW.any():
                    raise DataError(
                        f"{self.rois and self.rois.path}: {name!r} covers no pixel of frames "
                        f"of {size_HW} (H, W); draw it inside the frame, or in shares of it"
                    )
        return self._masks
