"""The 150 class names of ADE20K's scene parsing benchmark, and the shortening of its names.

Source: objectInfo150.txt of github.com/CSAILVision/sceneparsing, the first word of each line.
"""

from collections import Counter
from collections.abc import Sequence

_NAMES = (
    "wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass, cabinet, "
    "sidewalk, person, earth, door, table, mountain, plant, curtain, chair, car, water, "
    "painting, sofa, shelf, house, sea, mirror, rug, field, armchair, seat, fence, desk, "
    "rock, wardrobe, lamp, bathtub, railing, cushion, base, box, column, signboard, "
    "chest of drawers, counter, sand, sink, skyscraper, fireplace, refrigerator, grandstand, "
    "path, stairs, runway, case, pool table, pillow, screen door, stairway, river, bridge, "
    "bookcase, blind, coffee table, toilet, flower, book, hill, bench, countertop, stove, "
    "palm, kitchen island, computer, swivel chair, boat, bar, arcade machine, hovel, bus, "
    "towel, light, truck, tower, chandelier, awning, streetlight, booth, television, "
    "airplane, dirt track, apparel, pole, land, bannister, escalator, ottoman, bottle, "
    "buffet, poster, stage, van, ship, fountain, conveyer belt, canopy, washer, plaything, "
    "swimming pool, stool, barrel, basket, waterfall, tent, bag, minibike, cradle, oven, "
    "ball, food, step, tank, trade name, microwave, pot, animal, bicycle, lake, dishwasher, "
    "screen, blanket, sculpture, hood, sconce, vase, traffic light, tray, ashcan, fan, pier, "
    "crt screen, plate, monitor, bulletin board, shower, radiator, glass, clock, flag"
)
SCENE_NAMES = tuple(_NAMES.split(", "))
"""Class names in the order of the mask values 1..150."""


def shorten_names(names: Sequence[str]) -> tuple[str, ...]:
    """Cut each name to its first synonym, `person` of `person, individual, someone`.

    A name keeps all its synonyms where another name has the same first one.
    """
    first = [name.split(",")[0].strip() for name in names]
    counts = Counter(first)
    return tuple(
        short if short and counts[short] == 1 else name.strip()
        for short, name in zip(first, names, strict=True)
    )
