"""A model that kills its process, as lack of memory would."""

import os
import signal
from dataclasses import replace

from maskwright.inference.engine import Engine
from maskwright.inference.opening import open_ensemble
from maskwright.inference.predictor import DEFAULTS


def open_deadly(bundle, *, after):
    """A function that opens a model which kills its process at the bright image.

    Once, where `after` is a file that is not there yet; each time for None.
    """

    def open_model(options=DEFAULTS):
        model = open_ensemble(bundle, options=options)
        inner = model.engine

        class Deadly(Engine):
            name = inner.name

            def __call__(self, image_BCHW):
                is_bright = image_BCHW.max() * 255 > 2.5  # the network sees 0..1
                if is_bright and (after is None or not after.exists()):
                    if after is not None:
                        after.touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return inner(image_BCHW)

        return replace(model, engine=Deadly())

    return open_model
