"""Planner: requires encoder weights before a dataset is measured, then plans a recipe."""

import time
from dataclasses import dataclass

from maskwright.data.dataset import Dataset

from ..data import TrainingData
from ..finish import estimate_finish_seconds
from ..machine import Machine
from ..recipe import Settings
from .network import find_substitute
from .plan import Plan
from .rules import make_plan
from .schedule import Budget
from .situation import Situation


@dataclass(slots=True, kw_only=True)
class Planner:
    """Plans a recipe around `settings`; `started_s` is the time at which `budget_s` begins.

    `substitute` is set by `require_weights`, see `Situation`.
    """

    settings: Settings
    started_s: float
    budget_s: float | None = None
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
        """Plan for the part of the budget that reading the data and finishing leave."""
        budget = None
        if self.budget_s is not None:
            finish_s = estimate_finish_seconds(len(source.val))
            budget = Budget(self.budget_s, time.monotonic() - self.started_s + finish_s)
        situation = Situation.from_data(source, Machine.detect(), substitute=self.substitute)
        return make_plan(situation, self.settings, budget=budget)
