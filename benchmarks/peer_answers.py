"""What libraries that are not installed with maskwright answer on drawn maps; kept for tests.

    python benchmarks/peer_answers.py medpy FOLDER
    python benchmarks/peer_answers.py davis FOLDER
    python benchmarks/peer_answers.py boundary_iou FOLDER

each writes tests/fixtures/peers/PEER.json. FOLDER holds the peer:

medpy         pip install --no-deps --target FOLDER medpy==0.5.2    (it is under the GPL)
davis         git clone https://github.com/davisvideochallenge/davis2017-evaluation FOLDER
boundary_iou  git clone https://github.com/bowenc0221/boundary-iou-api FOLDER
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FIXTURES = Path(__file__).parents[1] / "tests/fixtures/peers"
NUM_PAIRS = 12
SPACINGS_HW = ((1.0, 1.0), (0.5, 0.7), (2.0, 0.3))
SOURCES = {
    "medpy": "medpy 0.5.2, medpy.metric.binary; spacing (0.5, 0.7) at pairs 1, 4, ...",
    "davis": "davis2017-evaluation ac7c43f, davis2017.metrics.f_measure(bound_th=0.0075)",
    "boundary_iou": "boundary-iou-api 37d2558, mask_to_boundary(dilation_ratio=0.02)",
}

Mask = NDArray[np.bool_]


def draw_pair(number: int) -> tuple[Mask, Mask]:
    """Two masks of waves and a disc, the same on every machine: no random numbers."""
    height, width = 60 + 7 * number, 90 - 3 * number
    y, x = np.mgrid[:height, :width] / 10.0
    masks = []
    for shift in (0.0, 0.15 + 0.05 * number):
        wave = np.sin(x * (1 + number / 20) + shift) + np.cos(y * 1.3 - shift)
        disc = np.hypot(x - 4 - shift, y - 3 - shift / 2) < 1.5 + number / 10
        masks.append((wave > 0.4 + number / 30) | disc)
    return masks[0], masks[1]


def spacing(number: int) -> tuple[float, float]:
    """Height and width of a pixel of one pair."""
    return SPACINGS_HW[number % len(SPACINGS_HW)]


def by_medpy(number: int) -> dict[str, float]:
    """Hausdorff distances and the average symmetric surface distance."""
    from medpy.metric import binary

    truth, predicted = draw_pair(number)
    settings: dict[str, Any] = {"voxelspacing": spacing(number), "connectivity": 1}
    return {
        name: float(getattr(binary, name)(predicted, truth, **settings))
        for name in ("hd", "hd95", "assd")
    }


def by_davis(number: int) -> dict[str, float]:
    """Boundary F1 within 0.75 % of the diagonal."""
    from davis2017.metrics import f_measure

    truth, predicted = draw_pair(number)
    return {"boundary_f1": float(f_measure(predicted, truth, bound_th=0.0075))}


def by_boundary_iou(number: int) -> dict[str, float]:
    """IoU of the bands of 2 % of the diagonal."""
    from boundary_iou.utils.boundary_utils import mask_to_boundary

    bands = [mask_to_boundary(mask.astype(np.uint8), 0.02) > 0 for mask in draw_pair(number)]
    return {"boundary_iou": float((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())}


PEERS: dict[str, Callable[[int], dict[str, float]]] = {
    "medpy": by_medpy,
    "davis": by_davis,
    "boundary_iou": by_boundary_iou,
}


def main(peer: str, folder: str) -> None:
    """Ask one peer about all pairs, and write its answers."""
    sys.path.insert(0, folder)
    answers = [PEERS[peer](number) for number in range(NUM_PAIRS)]
    document = {
        "peer": SOURCES[peer],
        "command": f"python benchmarks/peer_answers.py {peer} FOLDER",
        "answers": answers,
    }
    FIXTURES.mkdir(parents=True, exist_ok=True)
    (FIXTURES / f"{peer}.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
