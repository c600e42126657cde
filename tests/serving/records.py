"""Rows as a server writes them, for tests of the store and of what reads it."""

from maskwright.store.records import Record

BUNDLE = "b" * 16


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
