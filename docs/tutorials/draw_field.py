"""Draw 56 photographs of eight fields with crop and weeds, their masks, and four of a phone."""

from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageDraw

SOILS = {
    "north": (120, 86, 60),
    "south": (150, 116, 80),
    "east": (96, 74, 60),
    "west": (136, 100, 84),
    "hill": (160, 126, 96),
    "mill": (112, 92, 66),
    "river": (110, 96, 76),
    "road": (128, 108, 92),
}
SPACING_PX = 24
CROP, WEED = 1, 2
rng = np.random.default_rng(0)


def draw(soil: tuple[int, int, int], size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Draw a photograph of `size` (width, height) and its mask."""
    photo, mask = Image.new("RGB", size, soil), Image.new("L", size)
    for x in range(16, size[0], 2 * SPACING_PX):
        for y in range(int(rng.integers(8, 16)), size[1], SPACING_PX):
            for dx, dy in ((-4, -2), (4, -2), (0, 5), (0, 0)):
                leaf = (x + dx + int(rng.integers(-1, 2)), y + dy + int(rng.integers(-1, 2)))
                fill_disc(photo, mask, leaf, 5, (45 + int(rng.integers(25)), 150, 50), CROP)
    for _ in range(rng.integers(1, 8)):
        x, y = (int(rng.integers(4, side - 4)) for side in size)
        fill_disc(photo, mask, (x, y), int(rng.integers(3, 5)), (160, 190, 60), WEED)
    noise = rng.normal(0, 9, (size[1], size[0], 3))
    return Image.fromarray(np.clip(photo + noise, 0, 255).astype(np.uint8)), mask


def fill_disc(
    photo: Image.Image,
    mask: Image.Image,
    center: tuple[int, int],
    radius: int,
    color: tuple[int, int, int],
    index: int,
) -> None:
    """Fill a disc in the photograph with a colour and in the mask with the class."""
    x, y = center
    corners = (x - radius, y - radius, x + radius, y + radius)
    ImageDraw.Draw(photo).ellipse(corners, color)
    ImageDraw.Draw(mask).ellipse(corners, index)


for folder in ("farm/images", "farm/masks", "phone"):
    Path(folder).mkdir(parents=True)
for field, soil in SOILS.items():
    for number in range(7):
        photo, mask = draw(soil, (128, 96) if number % 2 else (96, 128))
        photo.save(f"farm/images/{field}_{number}.jpg", quality=95)
        mask.save(f"farm/masks/{field}_{number}.png")
Path("farm/classes.txt").write_text("0 soil\n1 crop\n2 weed\n")

pillow_heif.register_heif_opener()
photos = [draw((124, 96, 70), (160, 120))[0] for _ in range(3)]
photos[0].save("phone/IMG_1.heic", quality=90)
photos[1].convert("RGBA").save("phone/IMG_2.png")
photos[2].convert("L").save("phone/IMG_3.jpg")
Path("phone/IMG_4.jpg").write_bytes(Path("phone/IMG_3.jpg").read_bytes()[:900])
