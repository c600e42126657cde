"""A process runs an image through all steps before the first request."""

import numpy as np
import pytest

from maskwright.serving.messages import Task
from maskwright.serving.modelprocess import session as module
from maskwright.serving.modelprocess.process import ModelChoice, open_session


@pytest.mark.parametrize("max_value", [255, 65535])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_a_rehearsal_succeeds_with_images_of_every_kind(
    painted_bundle, tmp_path, channels, max_value
):
    bundle = painted_bundle(tmp_path / "bundle", channels=channels, max_value=max_value)
    session = open_session(ModelChoice(path=str(bundle.root), name="m", version="1", warm=()))
    outcome = session.rehearse((40, 60))
    assert (outcome.status, outcome.error) == (200, "")
    assert outcome.size_HW == (40, 60)
    assert {"decode", "engine", "encode", "observe"} <= outcome.seconds.keys()


def test_each_size_is_rehearsed_before_the_first_task(painted, stripes, png, monkeypatch):
    sizes, run = [], module.Session.run

    def note(self, task, body, is_cancelled):
        outcome = run(self, task, body, is_cancelled)
        sizes.append(outcome.size_HW)
        return outcome

    monkeypatch.setattr(module.Session, "run", note)
    warm = ((32, 64), (64, 32))
    choice = ModelChoice(path=str(painted.root), name="m", version="1", warm=warm)
    session = open_session(choice)
    task = Task(id=1, suffix=".png", num_px=2400, name="image", form="raw")
    assert (
        session.run(task, png(stripes), lambda: False).body
        == np.ravel(stripes[..., 0]).tobytes()
    )
    assert sizes == [*warm, (40, 60)]
