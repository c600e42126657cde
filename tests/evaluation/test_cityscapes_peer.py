"""Our class IoU is that of the Cityscapes evaluation, on labelIds as its server takes them.

The numbers below are the answer of cityscapesscripts (evalPixelLevelSemanticLabeling,
`evaluateImgLists`, evalInstLevelScore off) to the images that `_images` draws, saved as
PNG; its package pins old dependencies, so it is asked once and not at each run.
"""

import numpy as np
import pytest
from PIL import Image

from maskwright.evaluation.score import ScoreOptions, score

IDS = {
    "road": 7, "sidewalk": 8, "building": 11, "wall": 12, "fence": 13, "pole": 17,
    "traffic light": 19, "traffic sign": 20, "vegetation": 21, "terrain": 22, "sky": 23,
    "person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31,
    "motorcycle": 32, "bicycle": 33,
}  # fmt: skip
IGNORED = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30]

THEIR_MEAN = 0.5617517387755189
THEIR_IOU = {
    "road": 0.56777727065267, "sidewalk": 0.5233100233100233, "building": 0.5603960396039604,
    "wall": 0.5631818181818182, "fence": 0.5560102301790282, "pole": 0.5706371191135734,
    "traffic light": 0.5620309050772627, "traffic sign": 0.5501535312180144,
    "vegetation": 0.5775784753363229, "terrain": 0.5851528384279476, "sky": 0.5449871465295629,
    "person": 0.5764948453608247, "rider": 0.5665708812260536, "car": 0.5896289673670094,
    "truck": 0.5596816976127321, "bus": 0.5241892610313663, "train": 0.547843331680714,
    "motorcycle": 0.5859069160504567,
}  # fmt: skip


def _images():
    """Four pairs of labelIds; truth holds ignored ids, and neither holds a bicycle."""
    rng = np.random.default_rng(2016)
    evaluated = list(IDS.values())[:-1]
    for _ in range(4):
        truth = rng.choice(evaluated + IGNORED, (24, 36)).repeat(4, 0).repeat(4, 1)
        truth = truth.astype(np.uint8)
        said = truth.copy()
        drawn = (rng.random(truth.shape) < 0.3) | np.isin(truth, IGNORED)
        said[drawn] = rng.choice(evaluated, int(drawn.sum()))
        yield truth, said


def test_class_iou_and_its_mean_are_those_of_the_cityscapes_evaluation(tmp_path):
    for number, maps in enumerate(_images()):
        for kind, raw_HW in zip(("truth", "said"), maps, strict=True):
            (tmp_path / kind).mkdir(exist_ok=True)
            Image.fromarray(raw_HW).save(tmp_path / kind / f"{number}.png")
    listed = ", ".join(f"{{name: {name}, raw: [{raw}]}}" for name, raw in IDS.items())
    spec = tmp_path / "dataset.yaml"
    spec.write_text(f"classes: [{listed}]\ncodec: {{pixels: index, ignored: {IGNORED}}}\n")
    options = ScoreOptions(spec=spec, raw_predictions=True)
    report = score(tmp_path / "said", tmp_path / "truth", options=options)
    ours = {n: c["iou"].value for n, c in zip(report.labels.names, report.classes, strict=True)}
    assert np.isnan(ours.pop("bicycle"))
    assert ours == pytest.approx(THEIR_IOU, abs=1e-12)
    assert report.miou == pytest.approx(THEIR_MEAN, abs=1e-12)
