"""Assisted edits: by colour, by superpixels, by what a model predicts, and by prompts.

Superpixels and predictions are kept for the last images, colours for the last one.
"""

from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import ConfigError
from ..core.labels import IGNORE, LabelMap
from ..store.items import Item
from .edit import Cells, Drawn, Edit, Prompted, Proposal, ProposalSource, Wand
from .errors import StudioError
from .kept import Kept
from .people import Person
from .pictures import Pictures
from .project import Project
from .prompting import Prompter
from .proposals import Proposed, accept_proposal
from .raster import draw_edit
from .repairs import paint, repair
from .sequences import Sequencer
from .superpixels import CellMap, find_cells
from .wand import LabImage, find_alike, to_lab

if TYPE_CHECKING:
    from ..inference.predictor import Predictor
    from ..inference.segment_anything import SegmentAnything


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
        self._cells: Kept[tuple[str, int], CellMap] = Kept(self._segment)
        self._colors: Kept[str, LabImage] = Kept(self._convert, most=1)
        self._predicted: Kept[str, Proposed] = Kept(self._predict)
        self._prompter = None if sam is None else Prompter(pictures, sam)
        self._predictor: Predictor | None = None
        self._sequencer = Sequencer(project, pictures)

    def prepare(self, item: Item, edit: Edit, person: Person) -> None:
        """Compute what an edit needs beside the class map, before the store is locked."""
        match edit.geometry:
            case Wand():
                self._colors.get(item.key)
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
                return paint(labels_HW, find_alike(self._colors.get(item.key), wand), edit)
            case Cells(level=level, points=points):
                return paint(labels_HW, self.find_cells(item.key, level).pick(points), edit)
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

    def find_cells(self, key: str, level: int) -> CellMap:
        """The superpixels of an image.

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

    def _segment(self, name: tuple[str, int]) -> CellMap:
        key, level = name
        return find_cells(self._pictures.read_picture(key), level)

    def _convert(self, key: str) -> LabImage:
        return to_lab(self._pictures.read_picture(key))

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
