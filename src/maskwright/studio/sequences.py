"""Sequences: what the labels of other frames propose for an image.

The frames of an image are the images of its group in the order of the dataset; an image without
a group has those of its split that have none either. A person's proposals come of frames that
the person sees.
"""

from collections import Counter
from functools import cached_property
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.labels import IGNORE, LabelMap
from ..inference.video.motion import find_places, make_grid
from ..pages.pictures import RgbImage
from ..store import items as stored
from ..store.database import Connection
from ..store.items import Item
from .errors import StudioError
from .interpolation import interpolate
from .kept import Kept
from .people import Person
from .pictures import Pictures
from .project import Project
from .proposals import Proposed
from .tiles import TILE_PX, hash_tile
from .visibility import sees

Source = Literal["flow", "interpolation"]

_MOST_PX = 1_000_000
"""Of the frames between which motion is measured."""

_NEAR_PX = 2.0
"""Of motion forth and back: what ends so far from its start has a confidence of 1 / e."""

_EMPTY = hash_tile(bytes([IGNORE]) * TILE_PX**2)

_Frame = tuple[int, int]
"""Number of an image, and its revision."""


class Sequencer:
    """Proposals for the images of one project by their neighbours."""

    def __init__(self, project: Project, pictures: Pictures) -> None:
        self._project, self._pictures = project, pictures
        self._flowed: Kept[tuple[_Frame, str], Proposed] = Kept(self._flow)
        self._between: Kept[tuple[_Frame, _Frame, float], Proposed] = Kept(self._interpolate)

    def propose(self, item: Item, source: Source, person: Person) -> Proposed:
        """The labels that other frames propose for an image.

        Raises:
            StudioError: 422, the frames that are needed have no labels or another size.
        """
        frames, at = self._list_frames(item, person)
        before = frames[at - 1] if at else None
        if source == "flow":
            if before is None or not self._is_labelled(before):
                name = "the image before" if before is None else before.key
                raise StudioError(422, f"{item.key}: {name} has no labels; label it first")
            return self._flowed.get((self._open(before, item), item.key))
        first, last = (
            self._find_labelled(frames[:at][::-1]),
            self._find_labelled(frames[at + 1 :]),
        )
        if first is None or last is None:
            raise StudioError(
                422,
                f"{item.key}: no image {'before' if first is None else 'after'} it has labels; "
                f"label one on both sides",
            )
        places = [frames.index(frame) for frame in (first, last)]
        share = (at - places[0]) / (places[1] - places[0])
        return self._between.get((self._open(first, item), self._open(last, item), share))

    @cached_property
    def _sizes(self) -> Counter[str]:
        return Counter(self._project.data.dataset.groups)

    def _list_frames(self, item: Item, person: Person) -> tuple[list[Item], int]:
        """The frames of an image in their order, and its place among them."""
        index_by_key = self._project.data.index_by_key

        def name(other: Item) -> tuple[object, ...]:
            is_alone = self._sizes[other.group] == 1
            sequence = ("split", other.split) if is_alone else ("group", other.group)
            return (*sequence, other.source_id is None, other.source_id and other.annotator)

        with self._project.store.read() as connection:
            items = self._project.list_items(connection)
        frames = [
            i for i in items if name(i) == name(item) and (sees(person, i) or i.id == item.id)
        ]
        frames.sort(key=lambda frame: index_by_key[frame.key])
        return frames, [frame.id for frame in frames].index(item.id)

    def _find_labelled(self, frames: list[Item]) -> Item | None:
        return next(filter(self._is_labelled, frames), None)

    def _is_labelled(self, frame: Item) -> bool:
        if frame.size_HW is None:
            data = self._project.data
            return data.dataset.has_labels(data.find(frame.key))
        with self._project.store.read() as connection:
            return any(
                sha != _EMPTY for sha in stored.list_tiles(connection, frame.id).values()
            )

    def _open(self, frame: Item, item: Item) -> _Frame:
        opened, _ = self._project.open_item(frame.id)
        size_HW = item.size_HW or self._project.open_item(item.id)[0].size_HW
        if opened.size_HW != size_HW:
            raise StudioError(
                422, f"{frame.key} is {opened.size_HW} (H, W), {item.key} is {size_HW}"
            )
        return opened.id, opened.rev

    def _read(self, connection: Connection, frame: _Frame) -> tuple[Item, LabelMap]:
        item = self._project.find_item(connection, frame[0])
        return item, self._project.read_map(connection, item)

    def _flow(self, name: tuple[_Frame, str]) -> Proposed:
        with self._project.store.read() as connection:
            before, labels_HW = self._read(connection, name[0])
        return propagate(
            self._pictures.read_picture(before.key),
            self._pictures.read_picture(name[1]),
            labels_HW,
        )

    def _interpolate(self, name: tuple[_Frame, _Frame, float]) -> Proposed:
        with self._project.store.read() as connection:
            (_, first_HW), (_, last_HW) = (self._read(connection, f) for f in name[:2])
        return interpolate(first_HW, last_HW, name[2])


def propagate(before_HW3: RgbImage, now_HW3: RgbImage, labels_HW: LabelMap) -> Proposed:
    """Move the labels of the frame before along the motion to this frame.

    The motion is optical flow (Kroeger et al. 2016, DIS) of grey frames of up to 1 megapixel.
    The confidence falls with the distance between a pixel and where it comes back to by the
    motion to the frame before and from there; it is 0 for what lies outside of that frame.
    """
    height, width = labels_HW.shape
    before_hw, now_hw = _shrink(before_HW3), _shrink(now_HW3)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    still_hw2 = np.zeros((*now_hw.shape, 2), np.float32)
    back_hw2 = np.asarray(flow.calc(now_hw, before_hw, still_hw2.copy()), np.float32)
    forth_hw2 = np.asarray(flow.calc(before_hw, now_hw, still_hw2))
    there_hw2 = make_grid(now_hw.shape) + back_hw2
    again_hw2 = cv2.remap(forth_hw2, there_hw2[..., 0], there_hw2[..., 1], cv2.INTER_LINEAR)
    error_hw = np.linalg.norm(back_hw2 + again_hw2, axis=2)
    small_height, small_width = now_hw.shape
    outside_hw = ((there_hw2 < 0) | (there_hw2 > (small_width - 1, small_height - 1))).any(
        axis=2
    )
    confidence_hw = np.where(outside_hw, 0, np.exp(-((error_hw / _NEAR_PX) ** 2)))
    confidence_HW = cv2.resize(confidence_hw.astype(np.float32), (width, height))
    place_HW2 = find_places(back_hw2, labels_HW.shape)
    x_HW, y_HW = place_HW2[..., 0], place_HW2[..., 1]
    moved_HW = cv2.remap(labels_HW, x_HW, y_HW, cv2.INTER_NEAREST, borderValue=float(IGNORE))
    return Proposed(np.asarray(moved_HW), np.asarray(confidence_HW))


def _shrink(picture_HW3: RgbImage) -> NDArray[np.uint8]:
    height, width = picture_HW3.shape[:2]
    scale = min(1.0, (_MOST_PX / (height * width)) ** 0.5)
    size = max(16, round(width * scale)), max(16, round(height * scale))
    small_hw3 = cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small_hw3, cv2.COLOR_RGB2GRAY), np.uint8)
