"""Planner: opens the weights to start from before data are measured, then plans a recipe."""

from collections.abc import Callable
from dataclasses import dataclass, field

from maskwright.data.dataset import Dataset
from maskwright.nn.encoder_weights import require_weights
from maskwright.nn.protocols import OWN

from ..data import TrainingData
from ..initial import InitialNetwork, open_initial
from ..machine import Machine
from ..model_options import NONE, ModelOptions
from ..pace import Budget
from ..recipe import Recipe, Settings, override
from ..teachers import require_classes
from .network import AvailableWeights, find_weights
from .plan import Plan
from .rules import make_plan
from .situation import Situation


@dataclass(slots=True, kw_only=True)
class Planner:
    """Plans a recipe around `settings`, within `budget` if there is one, or completes `given`.

    `require_weights` opens what training starts from: `initial`, or `available` weights of the
    encoder. `log` gets what there is to say about them. With `explain`, plans have `minutes`.
    """

    settings: Settings
    given: Recipe | None = None
    budget: Budget | None = None
    accept_licence: bool = False
    explain: bool = False
    log: Callable[[str], None]
    initial: InitialNetwork | None = None
    available: AvailableWeights = field(default_factory=AvailableWeights)

    def require_weights(self, train: Dataset, _val: Dataset) -> None:
        """Open the weights to start from; a resumed run must not call it.

        Raises:
            ConfigError: No weights are available, or their licence has to be accepted; a
                teacher has other classes.
        """
        given = Plan(self.settings).given if self.given is None else self.given
        require_classes(given.distil, train.spec)
        options = given.model
        if options.init != NONE:
            self._open_initial(options)
        elif self.given is None:
            self.available = find_weights(
                self.settings,
                device=Machine.detect().planned_as,
                num_train=len(train),
                accept_licence=self.accept_licence,
            )
        elif options.encoder != OWN:
            self.available = AvailableWeights(
                require_weights(
                    options.encoder, options.encoder_weights, accept_licence=self.accept_licence
                )
            )
        if self.available.checkpoint is not None:
            self.log(self.available.checkpoint.note)

    def _open_initial(self, options: ModelOptions) -> None:
        self.initial = open_initial(options.init, accept_licence=self.accept_licence)
        for note in self.initial.notes:
            self.log(note)
        self.initial.follow(options)

    def plan(self, source: TrainingData) -> Plan:
        """Plan for a dataset that was read."""
        situation = Situation.from_data(
            source,
            Machine.detect(),
            substitute=self.available.substitute,
            initial=self.initial,
            checkpoint=self.available.checkpoint,
        )
        return make_plan(situation, self.settings, budget=self.budget, explain=self.explain)

    def complete(self, recipe: Recipe) -> Recipe:
        """Add to a recipe what follows from the network that training starts from."""
        if self.initial is None:
            return recipe
        values: dict[str, object] = {
            f"model.{key}": value for key, value in self.initial.follow(recipe.model).items()
        }
        spec, given = self.initial.card.input, recipe.input
        if self.initial.takes(given.kind, given.channels):
            for key in {"mean", "std", "window"} - given.model_fields_set:
                values[f"input.{key}"] = spec.to_json()[key]
        return override(recipe, values)
