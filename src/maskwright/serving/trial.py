"""Trial: whether a canary fails or is slow where the version in use is not; it then ends.

A request suffers where its answer is an error of the server, or took more than twice the 95th
percentile of the version in use. A trial ends where so many of the canary's requests suffer, of
all that do, that chance alone brings this about in one trial of a thousand: Fisher's exact test
after each request, one-sided, whose levels 1 / (n (n + 1)) of that sum to it.
"""

import math
from collections import deque

_ALPHA = 0.001
_SLOW_RATIO = 2.0
_KEPT, _LEAST_KNOWN = 200, 20


class Trial:
    """The requests of both versions since the trial began."""

    def __init__(self) -> None:
        self._in_use_s: deque[float] = deque(maxlen=_KEPT)
        self._num_in_use = self._num_canary = 0
        self._suffer_in_use = self._suffer_canary = 0

    def add(self, seconds: float | None, *, is_canary: bool) -> bool:
        """Count a request, None for an error of the server; True where the trial is to end."""
        suffers = seconds is None or seconds > self._find_limit_s()
        if not is_canary:
            self._num_in_use += 1
            self._suffer_in_use += suffers
            if seconds is not None:
                self._in_use_s.append(seconds)
            return False
        self._num_canary += 1
        self._suffer_canary += suffers
        num = self._num_canary
        return suffers and self.find_p() < _ALPHA / (num * (num + 1))

    def describe(self) -> str:
        """What was counted."""
        return (
            f"{self._suffer_canary} of {self._num_canary} requests failed or were slow, "
            f"{self._suffer_in_use} of {self._num_in_use} by the version in use"
        )

    def _find_limit_s(self) -> float:
        if len(self._in_use_s) < _LEAST_KNOWN:
            return math.inf
        ranked = sorted(self._in_use_s)
        return _SLOW_RATIO * ranked[math.ceil(0.95 * len(ranked)) - 1]

    def find_p(self) -> float:
        """The chance of so many among the canary's, if all requests suffer alike."""
        total = self._num_in_use + self._num_canary
        num, suffering = self._num_canary, self._suffer_canary + self._suffer_in_use
        all_ways = _log_comb(total, num)
        return sum(
            math.exp(_log_comb(suffering, k) + _log_comb(total - suffering, num - k) - all_ways)
            for k in range(self._suffer_canary, min(num, suffering) + 1)
        )


def _log_comb(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
