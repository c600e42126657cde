"""Planner: requires encoder weights before a dataset is measured, then plans a recipe."""

from dataclasses import dataclass

from maskwright.data.dataset import Dataset

from ..data import TrainingData
from ..machine import Machine
from ..pace import Budget
from ..recipe import Settings
from .network import find_substitute
from .plan import Plan
from .rules import make_plan
from .situation import Situation


@dataclass(slots=True, kw_only=True)
class Planner:
    """Plans a recipe around `settings`, within `budget` if there is one.

    `substitute` is set by `require_weights`, see `Situation`.
    """

    settings: Settings
    budget: Budget | None = None
    substitute: str = ""

    def require_weights(self, train: Dataset, _val: Dataset) -> None:
        """Require weights for the encoder that will be planned.

        Raises:
            ConfigError: No weights are available.
        """
        self.substitute = find_substitute(
            self.settings, device=Machine.detect().device, num_train=len(train)
        )

    def plan(self, source: TrainingData) -> Plan:
        """Plan for a dataset that was read."""
        situation = Situation.from_data(source, Machine.detect(), substitute=self.substitute)
        return make_plan(situation, self.settings, budget=self.budget)
