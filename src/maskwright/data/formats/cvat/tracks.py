"""Shapes of tracks on the frames of a video: as the file states them, or between keyframes.

CVAT's export states a shape of a track on every frame. A file of another program may hold
keyframes alone, between which CVAT interpolates when it imports the file. Which of the two a
file does is in the file: one that has a shape with `keyframe="0"`, or mostly shapes on
successive frames, states every frame, and a frame without a shape is outside of the track.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ....pages.text import format_subject
from .index import IndexedTrack, Span


@dataclass(slots=True)
class FrameShapes:
    """The shapes on each frame, by its number, with counts for the notes.

    `num_gaps` are runs of frames inside or behind a track that have no shape;
    `num_interpolated` are the shapes between keyframes.
    """

    spans: dict[int, list[Span]] = field(default_factory=lambda: defaultdict(list))
    num_gaps: int = 0
    num_interpolated: int = 0

    def list_notes(self) -> Iterator[str]:
        """Yield a note on how gaps were read."""
        if self.num_gaps:
            yield (
                f"{self.num_gaps} gaps in tracks are read as frames without the object, since "
                f"the file states a shape on every other frame"
            )
        if self.num_interpolated:
            yield (
                f"{format_subject(self.num_interpolated, 'shape is', 'shapes are')} "
                f"interpolated between keyframes as CVAT does it, since the file holds "
                f"keyframes alone"
            )


def place_shapes(tracks: Sequence[IndexedTrack], frames: Sequence[int]) -> FrameShapes:
    """Place the shapes of tracks on the frames that are there, which are sorted."""
    placed = FrameShapes()
    is_complete = _state_every_frame(tracks, frames)
    for track in tracks:
        for index, (shape, span) in enumerate(track.shapes):
            if shape.outside == "1":
                continue
            placed.spans[shape.frame].append(span)
            after = track.shapes[index + 1] if index + 1 < len(track.shapes) else None
            between = _list_between(shape.frame, after[0].frame if after else None, frames)
            if not between or not track.has_regions or _lacks_its_end(track, between, frames):
                continue
            if is_complete:
                placed.num_gaps += 1
                continue
            placed.num_interpolated += len(between)
            for frame in between:
                moved = span
                if after is not None:
                    offset = (frame - shape.frame) / (after[0].frame - shape.frame)
                    moved = replace(span, until=(after[1].start, after[1].end), offset=offset)
                placed.spans[frame].append(moved)
    return placed


def _lacks_its_end(track: IndexedTrack, between: Sequence[int], frames: Sequence[int]) -> bool:
    """Whether a shape is on the last frame but one, where CVAT's export leaves out its end."""
    return len(track.shapes) == 1 and list(between) == [frames[-1]]


def _state_every_frame(tracks: Sequence[IndexedTrack], frames: Sequence[int]) -> bool:
    """Whether a frame without a shape is outside of the track, not between two keyframes."""
    steps = []
    for track in tracks:
        if any(shape.keyframe == "0" for shape, _ in track.shapes):
            return True
        for (shape, _), (after, _) in pairwise(track.shapes):
            if shape.outside != "1":
                steps.append(not _list_between(shape.frame, after.frame, frames))
    return 2 * sum(steps) > len(steps)


def _list_between(frame: int, after: int | None, frames: Sequence[int]) -> Sequence[int]:
    """List the frames between two; those to the end where `after` is None."""
    last = len(frames) if after is None else bisect_right(frames, after - 1)
    return frames[bisect_right(frames, frame) : last]
