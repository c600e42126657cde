"""The class names of public datasets, in the order of their class indices."""

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


PASCAL = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)


_COCO_PANOPTIC = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire "
    "hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, "
    "bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee, skis, "
    "snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard, "
    "tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, "
    "sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted "
    "plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, "
    "microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear, "
    "hair drier, toothbrush, banner, blanket, bridge, cardboard, counter, curtain, "
    "door-stuff, floor-wood, flower, fruit, gravel, house, light, mirror-stuff, net, pillow, "
    "platform, playingfield, railroad, river, road, roof, sand, sea, shelf, snow, stairs, "
    "tent, towel, wall-brick, wall-stone, wall-tile, wall-wood, water-other, window-blind, "
    "window-other, tree-merged, fence-merged, ceiling-merged, sky-other-merged, "
    "cabinet-merged, table-merged, floor-other-merged, pavement-merged, mountain-merged, "
    "grass-merged, dirt-merged, paper-merged, food-other-merged, building-other-merged, "
    "rock-merged, wall-other-merged, rug-merged"
)


COCO_PANOPTIC = tuple(_COCO_PANOPTIC.split(", "))
"""The 80 things and 53 kinds of stuff of COCO panoptic, in the order of their ids.

Source: panoptic_coco_categories.json of github.com/cocodataset/panopticapi.
"""
