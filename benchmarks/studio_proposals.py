"""What proposals save: ten images labelled with and without them by the same scripted pointer.

    python benchmarks/studio_proposals.py DATA MODEL benchmarks/studio_proposals.md

The hand knows the truth (`tests/studio/hand.py`). Without proposals it clicks along all
objects of an unlabelled image; with them it accepts what the model proposes, and clicks along
the regions that are wrong then. Both leave what is smaller than the same area.
"""

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser import Browser, find_browser  # noqa: E402
from tests.studio.driving import SAVED, log_in_as, press  # noqa: E402
from tests.studio.hand import BEND_PX, click_in_page, correct  # noqa: E402
from tests.studio_pages import Studio, let_in  # noqa: E402

from maskwright.core.labels import IGNORE  # noqa: E402
from maskwright.data.dataset import FolderDataset, open_dataset  # noqa: E402
from maskwright.studio.client import StudioClient  # noqa: E402
from maskwright.studio.people import add_user  # noqa: E402
from maskwright.studio.project import open_project  # noqa: E402

NUM_IMAGES = 10
LEAST_PX = 100
PACE_S = 0.3
"""Of a person, for one click or key."""

COMPUTED = "document.body.dataset.overlay !== 'waits'"

HEAD = """| for each image | without | with proposals | ratio |
|---|---|---|---|"""

TEXT = f"""# What proposals of a model save

`python benchmarks/studio_proposals.py DATA MODEL benchmarks/studio_proposals.md`: {NUM_IMAGES}
images of {{name}}, evenly over the split, on which the model was not trained. A scripted hand
knows the truth and clicks in the page of the studio, in Chromium. Without proposals it clicks
along all objects of an unlabelled image, and fills the rest with the commonest class; with
proposals it accepts all of them, and clicks along the regions that are wrong then. It leaves
regions below {LEAST_PX} pixels, and bends of an outline below {BEND_PX} pixels. A click or a
key counts as {PACE_S} s; the time until the page has computed and saved is measured and added.

{{table}}

With proposals, {{faster}} of {NUM_IMAGES} images took less time; of it, {{waited:.1f}} s were
waiting for the model. Objects below the limit are in the class map where the model finds them,
which raises its IoU. The hand never hesitates: people need longer for both.
"""


@dataclass
class Arm:
    """What ten images took; `waited_s` is the time until the page showed or saved something."""

    strokes: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    counts: list[NDArray[np.int64]] = field(default_factory=list)

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Of each image."""
        return PACE_S * np.array(self.events) + np.array(self.waited_s)

    @property
    def miou(self) -> float:
        """Of the class maps with the truth, over the classes that occur."""
        both_C, either_C = sum(self.counts)
        return float((both_C[either_C > 0] / either_C[either_C > 0]).mean())


def main(data: Path, model: str, out: Path) -> None:
    """Measure both arms, and write the table."""
    dataset = open_dataset(data)
    held_out = [
        key
        for key, entry in zip(dataset.keys, dataset.entries, strict=True)
        if entry.split == "val"
    ]
    keys = [held_out[i] for i in np.linspace(0, len(held_out) - 1, NUM_IMAGES).astype(int)]
    arms = {}
    for name in ("without", "with"):
        with tempfile.TemporaryDirectory() as folder:
            arms[name] = measure(dataset, keys, Path(folder), model if name == "with" else None)
    out.write_text(write_table(arms["without"], arms["with"], f"{dataset.root.name} val"))


def measure(dataset: FolderDataset, keys: list[str], root: Path, model: str | None) -> Arm:
    """Label all images in a studio of their own."""
    photos = root / "photos"
    photos.mkdir()
    for key in keys:
        (image,) = dataset.root.glob(f"images/*/{key}.*")
        shutil.copyfile(image, photos / image.name)
    with open_project(photos, classes=dataset.spec.names) as project:
        let_in(project, "ann", "annotator")
        password = add_user(project.store, "rob", "reviewer", actor="local")
    studio = Studio(photos, *(("--model", model) if model else ()))
    browser = Browser(find_browser(), root / "profile")
    arm = Arm()
    try:
        reader = StudioClient(studio.address, "rob", password)
        log_in_as(browser, "ann", studio)
        for _ in keys:
            label_next(browser, reader, dataset, arm, proposes=model is not None)
    finally:
        browser.close()
        studio.kill()
    return arm


def label_next(
    browser: Browser, reader: StudioClient, dataset: FolderDataset, arm: Arm, *, proposes: bool
) -> None:
    """Label the open image, and go on to the next one."""
    browser.wait_for("document.body.dataset.ready > 0")
    number = int(browser.value("document.body.dataset.ready"))
    key = find_item(reader, number)["key"]
    truth_HW = dataset.labels(dataset.keys.index(key))
    labels_HW, extra, waited_s = np.full_like(truth_HW, IGNORE), 0, 0.0
    if proposes:
        waited_s = accept_proposals(browser, reader, number)
        labels_HW, extra = reader.read_map(number), 1
    effort = correct(browser, truth_HW, labels_HW, LEAST_PX, click_in_page)
    arm.strokes.append(effort.strokes + extra)
    arm.events.append(effort.events + 2 * extra)
    begun = time.monotonic()
    browser.wait_for(SAVED)
    arm.waited_s.append(waited_s + time.monotonic() - begun)
    arm.counts.append(count(truth_HW, reader.read_map(number), len(dataset.spec)))
    browser.value("delete document.body.dataset.ready")
    press(browser, "PageDown")


def find_item(reader: StudioClient, number: int) -> dict[str, object]:
    """The image of a number, as the list has it."""
    return next(item for item in reader.list_items() if item["id"] == number)


def accept_proposals(browser: Browser, reader: StudioClient, number: int) -> float:
    """Accept all that the model proposes; the seconds until it is saved."""
    begun = time.monotonic()
    browser.choose("#confidence", "0")
    press(browser, "a")
    browser.wait_for(COMPUTED)
    press(browser, "Enter")
    while find_item(reader, number)["rev"] == 0:
        time.sleep(0.02)
    browser.wait_for(SAVED)
    return time.monotonic() - begun


def count(
    truth_HW: NDArray[np.uint8], labels_HW: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """Pixels in both maps and in either, by class, (2, C)."""
    known_HW = truth_HW != IGNORE
    values = range(num_classes)
    both = [((truth_HW == v) & (labels_HW == v)).sum() for v in values]
    either = [(known_HW & ((truth_HW == v) | (labels_HW == v))).sum() for v in values]
    return np.array([both, either])


def write_table(without: Arm, proposed: Arm, name: str) -> str:
    """The figures as Markdown."""
    figures = {
        "strokes": (np.mean(without.strokes), np.mean(proposed.strokes), 0),
        "clicks and keys": (np.mean(without.events), np.mean(proposed.events), 0),
        "seconds": (without.seconds.mean(), proposed.seconds.mean(), 0),
        "mean IoU with the truth, %": (100 * without.miou, 100 * proposed.miou, 1),
    }
    rows = [
        f"| {what} | {one:.{digits}f} | {other:.{digits}f} | {other / one:.2f} |"
        for what, (one, other, digits) in figures.items()
    ]
    num_faster = int((proposed.seconds < without.seconds).sum())
    table = "\n".join([HEAD, *rows])
    return TEXT.format(
        name=name, table=table, faster=num_faster, waited=np.mean(proposed.waited_s)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
