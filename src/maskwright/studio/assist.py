"""Assisted edits: by colour, by superpixels, by what a model predicts, and by prompts.

Superpixels are SLIC (Achanta et al. 2012) of the picture at up to 1 megapixel, in three sizes.
They and predictions are kept for the last images.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.errors import ConfigError
from ..core.labels import IGNORE, LabelMap
from ..pages.pictures import RgbImage
from ..store.items import Item
from .edit import EIGHTHS, Cells, Drawn, Edit, Prompted, Proposal, ProposalSource, Wand
from .errors import StudioError
from .kept import Kept
from .people import Person
from .pictures import Pictures
from .project import Project
from .prompting import Prompter
from .proposals import Proposed, accept_proposal, keep_connected
from .raster import draw_edit, require_inside
from .repairs import Mask, paint, repair
from .sequences import Sequencer

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..inference.segment_anything import SegmentAnything

_MOST_PX = 1_000_000
_SIDES_PX = (8, 16, 32)
"""Of superpixels at each level, in pixels of the picture at 1 megapixel."""

_MOST_STEPS = 20_000


class Assistant:
    """Draws all edits of one project, also those that need its pictures or a model."""

    def __init__(
        self,
        project: Project,
        pictures: Pictures,
        model: str | None = None,
        sam: "SegmentAnything | None" = None,
    ) -> None:
        self._project, self._pictures, self.model = project, pictures, model
        self._cells: Kept[tuple[str, int], NDArray[np.int32]] = Kept(self._segment)
        self._predicted: Kept[str, Proposed] = Kept(self._predict)
        self._prompter = None if sam is None else Prompter(pictures, sam)
        self._predictor: Predictor | None = None
        self._sequencer = Sequencer(project, pictures)

    def prepare(self, item: Item, edit: Edit, person: Person) -> None:
        """Compute what an edit needs beside the class map, before the store is locked."""
        match edit.geometry:
            case Wand():
                self._pictures.read_picture(item.key)
            case Cells(level=level):
                self.find_cells(item.key, level)
            case Proposal(source=source):
                self.propose(item, source, person)
            case Prompted() as prompted:
                self.prompter.find_object(item.key, prompted)

    def draw(self, item: Item, labels_HW: LabelMap, edit: Edit, *, person: Person) -> LabelMap:
        """The class map after an edit of a person that has a geometry.

        Raises:
            DataError: The geometry is not one of this image.
            StudioError: 422, there is no model, or are no graphs for prompts.
        """
        match edit.geometry:
            case Wand() as wand:
                picture_HW3 = self._pictures.read_picture(item.key)
                return paint(labels_HW, find_alike(picture_HW3, wand), edit)
            case Cells(level=level, points=points):
                cells_HW = self.find_cells(item.key, level)
                return paint(labels_HW, _pick_cells(cells_HW, points), edit)
            case Proposal() as proposal:
                proposed = self.propose(item, proposal.source, person)
                return accept_proposal(labels_HW, proposed, proposal, edit)
            case Prompted() as prompted:
                return paint(labels_HW, self.prompter.find_object(item.key, prompted), edit)
            case None:
                return labels_HW
            case geometry if isinstance(geometry, Drawn):
                return draw_edit(labels_HW, edit)
            case geometry:
                return repair(labels_HW, edit, geometry)

    @property
    def prompter(self) -> Prompter:
        """Finds the objects that clicks and boxes mean.

        Raises:
            StudioError: 422, the studio has no graphs for it.
        """
        if self._prompter is None:
            raise StudioError(
                422, "no graphs for clicks and boxes; start the studio with --sam"
            )
        return self._prompter

    def find_cells(self, key: str, level: int) -> NDArray[np.int32]:
        """The superpixel of each pixel of an image.

        Raises:
            MissingDependencyError: scikit-image is not installed.
        """
        return self._cells.get((key, level))

    def propose(self, item: Item, source: ProposalSource, person: Person) -> Proposed:
        """What the model or other frames propose for an image.

        Raises:
            StudioError: 422, there is no model, or the frames have no labels.
            ConfigError: The model has other classes.
        """
        if source == "model":
            return self.predict(item.key)
        return self._sequencer.propose(item, source, person)

    def require_model(self) -> None:
        """Require a model.

        Raises:
            StudioError: 422, there is none.
        """
        if self.model is None:
            raise StudioError(422, "no model makes proposals; start the studio with --model")

    def predict(self, key: str) -> Proposed:
        """What the model predicts for an image.

        Raises:
            StudioError: 422, there is no model.
            ConfigError: It has other classes.
        """
        return self._predicted.get(key)

    def _segment(self, name: tuple[str, int]) -> NDArray[np.int32]:
        from ..inference.refine.superpixels import Config, find_superpixels

        key, level = name
        picture_HW3 = self._pictures.read_picture(key)
        height, width = picture_HW3.shape[:2]
        scale = min(1.0, (_MOST_PX / (height * width)) ** 0.5)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small_hw3 = cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        config = Config(side_px=_SIDES_PX[level])
        cells_hw = find_superpixels(small_hw3, np.ones(small_hw3.shape[:2], np.bool_), config)
        if scale == 1.0:
            return cells_hw.astype(np.int32)
        return np.asarray(
            cv2.resize(
                cells_hw.astype(np.int32), (width, height), interpolation=cv2.INTER_NEAREST
            )
        )

    def _predict(self, key: str) -> Proposed:
        self.require_model()
        if self._predictor is None:
            self._predictor = self._open_model()
        data = self._project.data
        image_HWC, valid_HW = data.dataset.data(data.find(key))
        found = self._predictor.predict(image_HWC, valid_HW, where=key)
        table = np.full(256, IGNORE, np.uint8)
        for index, name in enumerate(found.labels.names):
            if name in self._project.spec.names:
                table[index] = self._project.spec.names.index(name)
        return Proposed(table[found.labels_HW], found.confidence_HW)

    def _open_model(self) -> "Predictor":
        from ..inference.predictor import open_model

        predictor = open_model(str(self.model))
        common = set(predictor.card.labels.names) & set(self._project.spec.names)
        if not common:
            raise ConfigError(
                f"--model {self.model}: has the classes "
                f"{', '.join(predictor.card.labels.names)}, none is of this project"
            )
        return predictor


def find_alike(picture_HW3: RgbImage, wand: Wand) -> Mask:
    """The pixels near the colour of one pixel, connected with it by sides unless global.

    Raises:
        DataError: The pixel is outside of the image.
    """
    require_inside(wand.at, picture_HW3.shape[:2])
    x, y = wand.at
    lab_HW3 = cv2.cvtColor(picture_HW3.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    distance_HW = np.linalg.norm(lab_HW3 - lab_HW3[y, x], axis=2)
    alike_HW = np.asarray(distance_HW <= wand.tolerance)
    return keep_connected(alike_HW, wand.at) if wand.connected else alike_HW


def _pick_cells(cells_HW: NDArray[np.int32], points: list[int]) -> Mask:
    """The superpixels along a path of points in eighths of a pixel, inside of the image."""
    height, width = cells_HW.shape
    points_N2 = np.array(points[: len(points) // 2 * 2]).reshape(-1, 2) / EIGHTHS
    steps = [points_N2[:1]]
    for start, end in pairwise(points_N2):
        number = min(int(np.abs(end - start).max()) + 1, _MOST_STEPS)
        steps.append(np.linspace(start, end, number + 1)[1:])
    places_N2 = np.floor(np.concatenate(steps)).astype(np.intp)
    inside_N = ((places_N2 >= 0) & (places_N2 < (width, height))).all(axis=1)
    x_N, y_N = places_N2[inside_N].T
    return np.isin(cells_HW, np.unique(cells_HW[y_N, x_N]))
