"""Draw 40 photographs of a yard, their export from CVAT and from COCO, and new photographs."""

import json
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLORS = {
    "floor": (120, 118, 112),
    "pallet": (190, 140, 70),
    "forklift": (220, 70, 40),
    "person": (60, 90, 200),
}
LABELS = list(COLORS)
SIZE = (128, 96)
NUM_TRAIN, NUM_TEST = 28, 12
Shape = tuple[str, list[tuple[int, int]]]
rng = np.random.default_rng(0)


def place(label: str, corners: list[tuple[int, int]]) -> Shape:
    """A shape anywhere in the image; `corners` are those at the origin."""
    width, height = (max(side) for side in zip(*corners, strict=True))
    x, y = rng.integers((0, 24), (SIZE[0] - width, SIZE[1] - height)).tolist()
    return label, [(x + dx, y + dy) for dx, dy in corners]


def draw() -> tuple[Image.Image, list[Shape]]:
    """Draw a photograph; give its shapes too, the lowest first."""
    shapes: list[Shape] = [("floor", [(0, 34), (128, 34), (128, 96), (0, 96)])]
    shapes += [place("pallet", [(0, 0), (24, 0), (24, 14), (0, 14)]) for _ in range(2)]
    shapes.append(place("forklift", [(0, 26), (0, 8), (14, 0), (20, 14), (34, 26)]))
    shapes.append(place("person", [(3, 0), (6, 0), (9, 10), (7, 24), (2, 24), (0, 10)]))
    photo = Image.new("RGB", SIZE, (70, 74, 80))
    for label, corners in shapes:
        ImageDraw.Draw(photo).polygon(corners, COLORS[label])
    noise = rng.normal(0, 10, (SIZE[1], SIZE[0], 3))
    return Image.fromarray(np.clip(photo + noise, 0, 255).astype(np.uint8)), shapes


def to_xml(number: int, subset: str, shapes: list[Shape]) -> str:
    """The element of an image in CVAT's annotations.xml."""
    polygons = [
        f'<polygon label="{label}" occluded="0" z_order="{order}" points="'
        + ";".join(f"{x},{y}" for x, y in corners)
        + '"/>'
        for order, (label, corners) in enumerate(shapes)
    ]
    name = f'id="{number}" name="yard_{number:02}.png" subset="{subset}"'
    return f'<image {name} width="{SIZE[0]}" height="{SIZE[1]}">{"".join(polygons)}</image>'


def to_annotation(number: int, label: str, corners: list[tuple[int, int]]) -> dict[str, object]:
    """An annotation of COCO, without its id."""
    xs, ys = zip(*corners, strict=True)
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    polygon = [value for corner in corners for value in corner]
    return {
        "image_id": number,
        "category_id": LABELS.index(label) + 1,
        "segmentation": [polygon],
        "bbox": box,
        "area": box[2] * box[3],
        "iscrowd": 0,
    }


def draw_old_prediction(shapes: list[Shape]) -> Image.Image:
    """The classes 0 ground, 1 load, 2 forklift, 3 person, each shape some pixels off."""
    indices = {"floor": 0, "pallet": 1, "forklift": 2, "person": 3}
    classes = Image.new("L", SIZE)
    for label, corners in shapes:
        dx, dy = rng.integers(-3, 4, 2).tolist()
        moved = [(x + dx, y + dy) for x, y in corners]
        ImageDraw.Draw(classes).polygon(moved, indices[label])
    return classes


for folder in ("coco/images", "coco/annotations", "old", "new"):
    Path(folder).mkdir(parents=True)
names = "".join(f"<label><name>{label}</name></label>" for label in LABELS)
xml = f"<annotations><version>1.1</version><meta><project><labels>{names}</labels>"
xml += "</project></meta>"
images, annotations = [], []
with zipfile.ZipFile("cvat-export.zip", "w") as archive:
    for number in range(NUM_TRAIN + NUM_TEST):
        subset = "Train" if number < NUM_TRAIN else "Test"
        file, (photo, shapes) = f"yard_{number:02}.png", draw()
        photo.save(f"coco/images/{file}")
        archive.write(f"coco/images/{file}", f"images/{subset}/{file}")
        xml += to_xml(number, subset, shapes)
        images.append({"id": number, "file_name": file, "width": SIZE[0], "height": SIZE[1]})
        annotations += [to_annotation(number, *shape) for shape in reversed(shapes[1:])]
        if subset == "Test":
            draw_old_prediction(shapes).save(f"old/{file}")
    archive.writestr("annotations.xml", f"{xml}</annotations>")
coco = {
    "images": images,
    "categories": [{"id": index, "name": name} for index, name in enumerate(LABELS, start=1)],
    "annotations": [{"id": index, **one} for index, one in enumerate(annotations, start=1)],
}
Path("coco/annotations/instances_default.json").write_text(json.dumps(coco))
for number in range(3):
    draw()[0].save(f"new/new_{number}.png")
