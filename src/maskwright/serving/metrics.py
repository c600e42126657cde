"""What `/metrics` shows, in the text format of Prometheus."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..store.jobs import STATES
from .gpus import GpuUse
from .messages import Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8)
_PREFIX = "maskwright"


class Metrics:
    """Counters and histograms of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._count(
            "requests", "Answers by endpoint and status.", "endpoint", "status"
        )
        self._seconds = Histogram(
            f"{_PREFIX}_request_seconds",
            "From the head of a request to the end of its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._stages = Histogram(
            f"{_PREFIX}_stage_seconds",
            "Seconds of each stage of a prediction.",
            ("model", "stage"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batches = Histogram(
            f"{_PREFIX}_batch_images",
            "Images that ran with each image, itself included.",
            ("model",),
            buckets=_SIZES,
            registry=self.registry,
        )
        self._releases = self._count(
            "batch_releases",
            "Images by the reason for which their batch ran.",
            "model",
            "reason",
        )
        self._gauges = {
            name: self._measure(name, text)
            for name, text in (
                ("queue_pixels", "Pixels of images that wait or run."),
                ("body_bytes", "Bytes of bodies that are being received or kept."),
                ("job_bytes", "Bytes of the files of all jobs."),
                ("records_written", "Rows of images that were written to the store."),
                ("records_dropped", "Rows that were not, as too many were waiting."),
                ("kept_files_dropped", "Images to be kept that were not."),
            )
        }
        self._crashes = self._measure(
            "model_crashes",
            "Processes of a model that ended by themselves.",
            "model",
            "version",
        )
        self._rollbacks = self._count("rollbacks", "Canaries that were taken back.", "model")
        self._gpus = {
            name: self._measure(f"gpu_{name}", text, "gpu")
            for name, text in (
                ("busy_ratio", "Share of time in which a GPU worked lately."),
                ("used_bytes", "Memory of a GPU that is in use, by all programs."),
                ("total_bytes", "Memory of a GPU."),
            )
        }
        self._jobs = self._measure("jobs", "Jobs that are kept.", "state")
        self._jobs_ended = self._count("jobs_ended", "Jobs that ended.", "model", "state")

    def _count(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def _measure(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=self.registry)

    def add_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(endpoint, str(status)).inc()
        self._seconds.labels(endpoint).observe(seconds)

    def add_outcome(self, model: str, outcome: Outcome) -> None:
        """Count how one image was predicted."""
        for stage, seconds in outcome.seconds.items():
            self._stages.labels(model, stage).observe(seconds)
        if outcome.batch:
            self._batches.labels(model).observe(outcome.batch)
            self._releases.labels(model, outcome.release).inc()

    def set_gauge(self, name: str, value: float) -> None:
        """Set one of the gauges without labels, by its name without the prefix."""
        self._gauges[name].set(value)

    def set_crashes(self, model: str, version: str, number: int) -> None:
        """Set how often the process of a model ended by itself."""
        self._crashes.labels(model, version).set(number)

    def set_gpus(self, gpus: Iterable[GpuUse]) -> None:
        """Set how busy the GPUs of the machine are."""
        for gpu in gpus:
            values = (gpu.busy, gpu.used_bytes, gpu.total_bytes)
            for gauge, value in zip(self._gpus.values(), values, strict=True):
                gauge.labels(str(gpu.index)).set(value)

    def add_rollback(self, model: str) -> None:
        """Count a canary that was taken back."""
        self._rollbacks.labels(model).inc()

    def set_jobs(self, states: Mapping[str, int], num_bytes: int) -> None:
        """Set how many jobs are in each state, and the bytes of their files."""
        for state in STATES:
            self._jobs.labels(state).set(states.get(state, 0))
        self.set_gauge("job_bytes", num_bytes)

    def add_job_end(self, model: str, state: str) -> None:
        """Count a job that ended."""
        self._jobs_ended.labels(model, state).inc()

    def render(self) -> bytes:
        """The page."""
        return generate_latest(self.registry)
