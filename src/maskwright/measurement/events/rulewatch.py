"""Rules on the frames of a stream: each is judged as `measure` judges an image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.labels import LabelSpec
from ...core.stream import LabelledFrame
from ...data.georef.pixel_scale import PixelScale
from ..ground.roi import Rois
from ..mapjudge import MapJudge
from ..rules.verdicts import Verdict
from .event import Change, Seen, Tracker

RULE = "rule"


@dataclass(slots=True, kw_only=True)
class RuleWatch:
    """Judges every frame by all rules, and follows each rule by a Tracker."""

    judge: MapJudge
    trackers: Sequence[Tracker]

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
            DataError, ConfigError: As `MapJudge.open`.
        """
        judge = MapJudge.open(path, spec, scale, rois=rois, min_area=min_area)
        return cls(
            judge=judge,
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
                for rule in judge.rules
            ],
        )

    def update(self, one: LabelledFrame, *, away_s: float) -> Iterator[Change]:
        """Judge the next frame.

        Raises:
            DataError: A zone lies outside of the frame.
        """
        verdicts = self.judge.judge(one.frame.key, one.labels_HW).verdicts
        for verdict, tracker in zip(verdicts, self.trackers, strict=True):
            yield from tracker.update(one, self._describe(verdict, one), away_s=away_s)

    def finish(self) -> Iterator[Change]:
        """The events that last at the end of the stream."""
        for tracker in self.trackers:
            yield from tracker.finish()

    def describe(self) -> list[str]:
        """How many rules there are."""
        return [f"judged by {len(self.trackers)} rules"]

    def _describe(self, verdict: Verdict, one: LabelledFrame) -> Seen:
        rule, value = verdict.rule, verdict.value
        size_HW = one.labels_HW.shape
        place_HW = np.ones(size_HW, np.bool_)
        if rule.roi:
            place_HW = self.judge.find_masks(size_HW)[rule.roi]
        badness = float("-inf") if value is None else value if rule.is_upper else -value
        return Seen(
            holds=not verdict.passed,
            value=value,
            badness=badness,
            place_HW=place_HW,
            classes=tuple(self.judge.spec.names[index] for index in rule.classes),
        )
