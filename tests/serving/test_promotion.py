"""A version that is worse by its report, or fails on trial, is not put in use."""

import asyncio
import math
import shutil
from contextlib import suppress

import pytest
from scipy.stats import fisher_exact

from maskwright.serving.access import Access
from maskwright.serving.child import Child, ModelCrashError
from maskwright.serving.errors import ServingError
from maskwright.serving.messages import Outcome, Task
from maskwright.serving.modelprocess.process import ModelChoice
from maskwright.serving.models import Version
from maskwright.serving.promotion import require_not_worse
from maskwright.serving.trial import Trial
from maskwright.serving.watch.origin import Origin

from ..evaluation.conftest import report_folder  # noqa: F401 - a fixture
from .asgi import make_service

GOOD, BAD = [80, 81, 82, 83, 84, 85, 86, 87], [70, 71, 72, 73, 74, 75, 76, 77]


def _count(hits):
    """Cars of 100 pixels in each image, of which so many are found."""
    of_image = [{0: (100, 200 - hit, 100), 1: (100, hit, hit)} for hit in hits]
    return {f"image{i}": (f"image{i}", counts) for i, counts in enumerate(of_image)}


@pytest.fixture
def run(report_folder, tmp_path):  # noqa: F811
    """A function: the Bundle of a run whose report has these counts."""

    def make(name, hits):
        folder = report_folder(name, _count(hits))
        (tmp_path / f"run-{name}" / "bundle").mkdir(parents=True)
        shutil.move(folder, tmp_path / f"run-{name}" / "report")
        return tmp_path / f"run-{name}" / "bundle"

    return make


def test_a_version_is_worse_where_compare_says_so(run):
    good, bad = run("good", GOOD), run("bad", BAD)
    message = r"worse beyond chance in mIoU, road, car: mIoU 0\.7\d+, in use 0\.8\d+; see "
    with pytest.raises(ServingError, match=message) as caught:
        require_not_worse(good, bad)
    assert caught.value.status == 409
    found = require_not_worse(bad, good)
    assert found["compared"]
    assert found["miou"]["difference"] > 0.05


def test_reports_of_other_images_say_nothing_and_no_path_is_told(run, tmp_path):
    good, other = run("good", GOOD), run("other", BAD[:5])
    found = require_not_worse(good, other)
    assert not found["compared"]
    assert "report" in found["reason"]
    assert str(tmp_path) not in found["reason"]
    assert not require_not_worse(good, tmp_path / "alone")["compared"]


def test_a_trial_ends_where_chance_does_not_explain_what_fails():
    trial = Trial()
    for _ in range(50):
        assert not trial.add(0.1, is_canary=False)
    ends = [trial.add(None, is_canary=True) for _ in range(7)]
    assert ends.index(True) == 2  # p is 1 / C(53, 3) = 4.3e-5 of at most 0.001 / 12
    assert trial.describe() == (
        "7 of 7 requests failed or were slow, 0 of 50 by the version in use"
    )


def test_slow_requests_count_and_usual_ones_do_not():
    trial = Trial()
    for n in range(100):
        trial.add(0.1 + 0.001 * (n % 20), is_canary=False)
        assert not trial.add(0.15, is_canary=True)
    assert any(trial.add(0.3, is_canary=True) for _ in range(40))


def test_the_chance_is_that_of_fisher():
    trial = Trial()
    for suffers, is_canary, num in ((0, 0, 40), (1, 0, 6), (0, 1, 5), (1, 1, 4)):
        for _ in range(num):
            trial.add(None if suffers else 0.0, is_canary=bool(is_canary))
    expected = fisher_exact([[4, 5], [6, 40]], alternative="greater").pvalue
    assert math.isclose(trial.find_p(), expected, rel_tol=1e-9)


class _Child(Child):
    """Answers at once, or as a process that crashes."""

    def __init__(self, number, *, crashes):
        super().__init__(ModelChoice(path="p", name="m", version=number))
        self.crashes = crashes

    async def ask(self, task, body):
        if self.crashes:
            raise ModelCrashError("model m: its process crashed on this image")
        return Outcome(id=0)


def test_a_canary_that_crashes_is_taken_back_and_the_log_says_why():
    log = []
    service = make_service(Access("127.0.0.1"), children=[_Child("1", crashes=False)])
    service.log = log.append
    canary = Version("2", _Child("2", crashes=True), canary=0.5, trial=Trial())
    service.models.add("m", canary)
    task = Task(id=0, suffix=".png", num_px=1, name="x", form="json")

    async def send():
        for n in range(200):
            version = service.models.choose("m", key=f"client {n % 8}")
            with version.lease(), suppress(ModelCrashError):
                await service.predict(version, task, b"", Origin("k"))
        await asyncio.gather(*service.background)

    asyncio.run(send())
    assert [v.number for v in service.models.list_versions("m")] == ["1"]
    assert [(line["event"], line["model"]) for line in log] == [("rollback", "m")]
    assert 'maskwright_rollbacks_total{model="m"} 1.0' in service.metrics.render().decode()
