"""Rows as a server writes them, for tests of the store and of what reads it."""

import numpy as np

from maskwright.store.records import Record

BUNDLE = "b" * 16
NUM, NUM_CHANGED = 700, 200


def make_record(n, **values):
    """The n-th image of a model of two classes, at second n."""
    given = {
        "at": float(n),
        "model": "parts",
        "version": "1",
        "bundle": BUNDLE,
        "source": "camera-1",
        "key": f"key-{n}",
        "seconds": 0.02,
        "engine_s": 0.015,
        "num_px": 64,
        "uncertainty": 0.25,
        "families": {
            "image": {"mean red": 0.5},
            "classes": {"road": 0.75, "car": 0.25},
            "confidence": {"mean": 0.75},
            "shapes": {"border": 0.125},
        },
    }
    return Record(**given | values)


def make_stream(now, rng):
    """Independent images of two cameras over five hours; the last ones are darker."""
    for n in range(NUM):
        is_dark = n >= NUM - NUM_CHANGED
        road = float(np.clip(0.6 + 0.05 * rng.normal(), 0.1, 0.9))
        yield make_record(
            n,
            at=now - 18_000 + 18_000 * n / NUM,
            source=f"hall/camera-{n % 2}",
            uncertainty=n / NUM,
            seconds=0.02 if n % 10 else 0.3,
            families={
                "image": {
                    "mean red": 0.5 + 0.05 * float(rng.normal()) - 0.2 * is_dark,
                    "log sharpness": -2 + 0.1 * float(rng.normal()),
                },
                "classes": {"road": road, "<b>car": 1 - road},
                "confidence": {"mean": 0.9 + 0.02 * float(rng.normal())},
                "shapes": {"border": 0.1 + 0.01 * float(rng.normal())},
                "expected": {
                    "hit road": 0.55,
                    "hit <b>car": 0.25,
                    "truth road": 0.65,
                    "truth <b>car": 0.35,
                    "predicted road": 0.6,
                    "predicted <b>car": 0.4,
                },
            },
            score=((60 + n % 5, 5), (5, 30)) if n % 3 == 0 else None,
        )
