"""Counts and times of each model, as the inference protocol shows them."""

from collections import Counter, defaultdict

from ..core.versioned import Document
from .messages import Outcome

_STAGES = {
    "queue": ("queue",),
    "compute_input": ("decode",),
    "compute_infer": ("engine", "predict"),
}
_STAGES |= {"compute_output": ("decide", "encode")}
_NS = 1_000_000_000


class Statistics:
    """Sums over all images, by model and version."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._seconds: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def add(self, model: str, version: str, outcome: Outcome) -> None:
        """Count one image."""
        key = model, version
        self._counts[key]["success" if outcome.status == 200 else "fail"] += 1
        self._seconds[key].update(outcome.seconds)

    def describe(self, model: str, version: str) -> Document:
        """Count and nanoseconds of each stage."""
        counts, seconds = self._counts[model, version], self._seconds[model, version]
        num = counts["success"]

        def entry(count: int, total_s: float) -> Document:
            return {"count": count, "ns": round(total_s * _NS)}

        stages = {
            name: entry(num, sum(seconds[part] for part in parts))
            for name, parts in _STAGES.items()
        }
        return {
            "name": model,
            "version": version,
            "inference_count": num,
            "execution_count": num,
            "inference_stats": {
                "success": entry(num, sum(seconds.values())),
                "fail": entry(counts["fail"], 0.0),
                **stages,
            },
        }
