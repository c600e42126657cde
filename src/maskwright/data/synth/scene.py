"""One street: sky, ground, and the objects on it, painted from far to near."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.labels import ClassDef, LabelSpec
from .painter import NEAR_M, Color, Light, Painter, scale_color, widen

STREET = LabelSpec(
    (
        ClassDef(name="road", color=(128, 64, 128)),
        ClassDef(name="sidewalk", color=(244, 35, 232)),
        ClassDef(name="building", color=(90, 90, 100)),
        ClassDef(name="sky", color=(70, 130, 180)),
        ClassDef(name="tree", color=(34, 110, 40)),
        ClassDef(name="grass", color=(152, 251, 152)),
        ClassDef(name="car", color=(20, 20, 200), kind="thing"),
        ClassDef(name="pedestrian", color=(220, 20, 60), kind="thing"),
        ClassDef(name="pole", color=(190, 170, 120)),
        ClassDef(name="traffic_sign", color=(250, 220, 0), kind="thing"),
    )
)
ROAD, SIDEWALK, BUILDING, SKY, TREE, GRASS, CAR, PEDESTRIAN, POLE, SIGN = range(len(STREET))

Rng = np.random.Generator

_ROAD_M = 4.5
_KERB_M = 4.8
_SIDEWALK_M = 8.0
_FAR_M = 250.0

LIGHTS = (
    Light(
        zenith=(0.32, 0.55, 0.90),
        horizon=(0.80, 0.89, 0.97),
        tint=(1.04, 1.0, 0.95),
        shadow=0.6,
    ),
    Light(
        zenith=(0.62, 0.66, 0.71),
        horizon=(0.84, 0.85, 0.87),
        tint=(0.86, 0.89, 0.92),
        shadow=1.0,
    ),
    Light(
        zenith=(0.42, 0.45, 0.72),
        horizon=(0.98, 0.74, 0.52),
        tint=(1.06, 0.86, 0.70),
        shadow=0.55,
    ),
    Light(
        zenith=(0.10, 0.13, 0.30),
        horizon=(0.40, 0.36, 0.48),
        tint=(0.48, 0.50, 0.66),
        shadow=1.0,
        lamps=True,
    ),
)
"""Noon, overcast, sunset, dusk."""


def paint_scene(painter: Painter, rng: Rng, *, with_sign: bool) -> None:
    """Fill both canvases with one street."""
    _paint_sky(painter, rng)
    _paint_ground(painter, rng)
    things: list[tuple[float, Callable[[], None]]] = []
    for side in (-1, 1):
        things += _place_houses(painter, rng, side)
        things += _place_furniture(painter, rng, side)
        things += _place_people(painter, rng, side)
        things += _place_cars(painter, rng, side)
    if with_sign:
        things += _place_signs(painter, rng)
    for _, paint in sorted(things, key=lambda thing: -thing[0]):
        paint()


def _paint_sky(painter: Painter, rng: Rng) -> None:
    height = painter.image_HW3.shape[0]
    up_H = np.clip(1 - np.arange(height) / max(painter.horizon_px, 1), 0, 1)[:, None]
    light = painter.light
    sky_H3 = up_H * np.array(light.zenith) + (1 - up_H) * np.array(light.horizon)
    painter.image_HW3[:] = sky_H3[:, None]
    painter.labels_HW[:] = SKY
    width = painter.image_HW3.shape[1]
    small = rng.random((6, 8)).astype(np.float32)
    cloud_HW = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    cloud_HW1 = (0.5 * np.clip(cloud_HW - 0.55, 0, 1) * up_H)[..., None]
    white = 0.4 + 0.6 * np.array(light.horizon)
    painter.image_HW3[:] = (1 - cloud_HW1) * painter.image_HW3 + cloud_HW1 * white


def _paint_ground(painter: Painter, rng: Rng) -> None:
    def fill_strip(x0: float, x1: float, color: Color, index: int | None) -> None:
        corners = [(x0, 0, _FAR_M), (x1, 0, _FAR_M), (x1, 0, NEAR_M), (x0, 0, NEAR_M)]
        points = [painter.project(p) for p in corners]
        painter.fill_flat(points, painter.add_haze(color, 12), index)

    green = float(rng.uniform(0.42, 0.55))
    grey = float(rng.uniform(0.30, 0.38))
    stone = float(rng.uniform(0.58, 0.70))
    fill_strip(-400, 400, (0.36, green, 0.24), GRASS)
    for side in (-1, 1):
        fill_strip(
            side * _KERB_M, side * _SIDEWALK_M, (stone, stone * 0.95, stone * 0.88), SIDEWALK
        )
        fill_strip(side * _ROAD_M, side * _KERB_M, (0.82, 0.80, 0.76), SIDEWALK)
    fill_strip(-_ROAD_M, _ROAD_M, (grey, grey, grey * 1.06), ROAD)
    for z in np.arange(rng.uniform(2, 6), 90, 6):
        dash = [(-0.09, 0, z + 3), (0.09, 0, z + 3), (0.09, 0, z), (-0.09, 0, z)]
        painter.fill_polygon(dash, (0.9, 0.9, 0.86), None)
    if painter.light.shadow < 1:
        _cast_shadow(painter, float(rng.uniform(-5, 5)), int(rng.choice((-1, 1))))


def _cast_shadow(painter: Painter, edge_m: float, side: int) -> None:
    """Darken the ground on one side of the street."""
    shaded_HW = np.zeros(painter.labels_HW.shape, np.uint8)
    corners = [(edge_m, _FAR_M), (side * 30, _FAR_M), (side * 30, NEAR_M), (edge_m, NEAR_M)]
    outline = np.clip([painter.project((x, 0, z)) for x, z in corners], -30_000, 30_000)
    cv2.fillPoly(shaded_HW, [np.rint(outline).astype(np.int32)], 1)
    painter.image_HW3[shaded_HW > 0] *= painter.light.shadow


_Things = list[tuple[float, Callable[[], None]]]
"""(distance, what paints it), to be sorted."""


def _place_houses(painter: Painter, rng: Rng, side: int) -> _Things:
    """Place houses, with gaps where trees stand on grass."""
    things: _Things = []
    z = float(rng.uniform(-6, 6))
    while z < 140:
        depth = float(rng.uniform(10, 22))
        if rng.random() < 0.68:
            things.append((z + depth, _make_house(painter, rng, side, (max(z, 2), z + depth))))
        else:
            for _ in range(3):
                place = side * float(rng.uniform(9, 16)), float(rng.uniform(z, z + depth))
                things.append((place[1], _make_tree(painter, rng, *place)))
        z += depth
    return things


def _make_house(
    painter: Painter, rng: Rng, side: int, span_m: tuple[float, float]
) -> Callable[[], None]:
    near, far = span_m
    x = side * (_SIDEWALK_M + float(rng.choice((0, 3, 5))))
    height = float(rng.uniform(6, 17))
    walls: tuple[Color, ...] = (
        (0.72, 0.42, 0.34),
        (0.80, 0.72, 0.58),
        (0.62, 0.60, 0.60),
        (0.86, 0.80, 0.72),
        (0.55, 0.38, 0.32),
        (0.70, 0.60, 0.52),
    )
    wall = walls[int(rng.integers(len(walls)))]
    lit = rng.random((8, 12)) < (0.45 if painter.light.lamps else 0.06)

    def paint() -> None:
        gable = scale_color(wall, 0.82)
        painter.fill_upright((x, x + side * 14), (0, height), near, gable, BUILDING)
        corners = [(x, 0, near), (x, 0, far), (x, height, far), (x, height, near)]
        painter.fill_polygon(corners, wall, BUILDING)
        eaves = [(x, height, near), (x, height, far), (x, height + 0.6, far)]
        painter.fill_polygon(
            [*eaves, (x, height + 0.6, near)], scale_color(wall, 0.55), BUILDING
        )
        _paint_windows(painter, x, (near, far, height), lit)

    return paint


def _paint_windows(
    painter: Painter, x: float, box_m: tuple[float, float, float], lit: NDArray[np.bool_]
) -> None:
    near, far, height = box_m
    for floor, y in enumerate(np.arange(1.2, height - 1.6, 3.0).tolist()):
        for column, z in enumerate(np.arange(near + 1, far - 1.5, 2.8).tolist()):
            glow = lit[floor % lit.shape[0], column % lit.shape[1]]
            color: Color = (1.5, 1.25, 0.75) if glow else (0.25, 0.31, 0.38)
            pane = [(x, y, z), (x, y, z + 1.3), (x, y + 1.6, z + 1.3), (x, y + 1.6, z)]
            painter.fill_polygon(pane, color, BUILDING)


def _make_tree(painter: Painter, rng: Rng, x: float, z: float) -> Callable[[], None]:
    height, z = float(rng.uniform(4.5, 8)), max(z, 3.0)
    green = float(rng.uniform(0.26, 0.40))
    blobs = rng.normal(0, 1, (14, 2)).clip(-1.3, 1.3)
    shades = rng.uniform(0.6, 1.25, 14)

    def paint() -> None:
        painter.fill_upright(
            (x - 0.16, x + 0.16), (0, height * 0.6), z, (0.28, 0.2, 0.14), TREE
        )
        for (dx, dy), shade in zip(blobs.tolist(), shades.tolist(), strict=True):
            color = scale_color((green * 0.55, green, green * 0.36), shade)
            center = x + dx * 0.22 * height, height * (0.72 + 0.12 * dy), z
            painter.fill_disc(center, 0.2 * height, color, TREE)

    return paint


def _place_furniture(painter: Painter, rng: Rng, side: int) -> _Things:
    """Place lamp posts along the kerb, and some trees."""
    things: _Things = []
    for z in np.arange(rng.uniform(5, 14), 80, rng.uniform(12, 20)).tolist():
        x = side * float(rng.uniform(5.1, 5.5))
        if rng.random() < 0.25:
            things.append((z, _make_tree(painter, rng, side * 6.6, z)))
        else:
            things.append((z, _make_lamp(painter, x, z, side)))
    return things


def _make_lamp(painter: Painter, x: float, z: float, side: int) -> Callable[[], None]:
    def paint() -> None:
        half = widen(painter, 0.09, z)
        iron: Color = (0.22, 0.23, 0.24)
        painter.fill_upright((x - half, x + half), (0, 6.2), z, iron, POLE)
        painter.fill_upright((x - side * 1.5, x + half), (6.2 - 2 * half, 6.2), z, iron, POLE)
        if painter.light.lamps:
            painter.fill_disc((x - side * 1.4, 6.0, z), 0.22, (2.0, 1.8, 1.2), POLE)

    return paint


def _place_signs(painter: Painter, rng: Rng) -> _Things:
    things: _Things = []
    for _ in range(int(rng.integers(1, 3))):
        place = float(rng.choice((-1, 1))) * 5.0, float(rng.uniform(6, 13))
        things.append((place[1], _make_sign(painter, int(rng.integers(3)), *place)))
    return things


def _make_sign(painter: Painter, shape: int, x: float, z: float) -> Callable[[], None]:
    red: Color = (0.85, 0.08, 0.10)
    white: Color = (0.95, 0.95, 0.93)

    def paint() -> None:
        half = widen(painter, 0.05, z)
        painter.fill_upright((x - half, x + half), (0, 2.4), z, (0.55, 0.56, 0.57), POLE)
        if shape == 0:
            painter.fill_disc((x, 2.6, z), 0.45, red, SIGN)
            painter.fill_disc((x, 2.6, z), 0.27, white, SIGN)
        elif shape == 1:
            painter.fill_upright((x - 0.42, x + 0.42), (2.2, 3.04), z, (0.10, 0.30, 0.85), SIGN)
            painter.fill_upright((x - 0.14, x + 0.14), (2.35, 2.9), z, white, SIGN)
        else:
            for size, color in ((0.55, red), (0.28, white)):
                low, high = 2.65 - 0.6 * size, 2.65 + size
                corners = [(x - size, low, z), (x + size, low, z), (x, high, z)]
                painter.fill_polygon(corners, color, SIGN)

    return paint


def _place_people(painter: Painter, rng: Rng, side: int) -> _Things:
    things: _Things = []
    for _ in range(int(rng.integers(1, 4))):
        x, z = side * float(rng.uniform(5.0, 7.4)), float(rng.uniform(5, 18))
        coat, legs = rng.uniform(0.1, 0.9, 3).tolist(), rng.uniform(0.08, 0.35, 3).tolist()
        things.append((z, _make_person(painter, (x, z), (tuple(coat), tuple(legs)), rng)))
    return things


def _make_person(
    painter: Painter, place: tuple[float, float], clothes: tuple[Color, Color], rng: Rng
) -> Callable[[], None]:
    (x, z), (coat, legs) = place, clothes
    height, stride = float(rng.uniform(1.6, 1.9)), float(rng.uniform(0.05, 0.3))

    def paint() -> None:
        hip, neck = 0.48 * height, 0.83 * height
        for foot in (x - stride, x + stride):
            leg = [
                (x - 0.16, hip, z),
                (x + 0.16, hip, z),
                (foot + 0.1, 0, z),
                (foot - 0.1, 0, z),
            ]
            painter.fill_polygon(leg, legs, PEDESTRIAN)
        torso = [(x - 0.2, hip, z), (x + 0.2, hip, z), (x + 0.28, neck, z), (x - 0.28, neck, z)]
        painter.fill_polygon(torso, coat, PEDESTRIAN)
        painter.fill_disc((x, neck + 0.12, z), 0.14, (0.78, 0.58, 0.46), PEDESTRIAN)

    return paint


def _place_cars(painter: Painter, rng: Rng, side: int) -> _Things:
    """Place cars at the kerb and on the lanes."""
    things: _Things = []
    for z in np.arange(rng.uniform(4, 12), 60, 6.0).tolist():
        if rng.random() < 0.4:
            things.append((z, _make_car(painter, rng, side * 3.5, z)))
    if rng.random() < 0.6:
        z = float(rng.uniform(9, 35))
        things.append((z, _make_car(painter, rng, side * 1.6, z)))
    return things


def _make_car(painter: Painter, rng: Rng, x: float, z: float) -> Callable[[], None]:
    paints: tuple[Color, ...] = (
        (0.75, 0.10, 0.10),
        (0.12, 0.22, 0.55),
        (0.90, 0.90, 0.90),
        (0.12, 0.12, 0.13),
        (0.58, 0.60, 0.62),
        (0.85, 0.65, 0.10),
        (0.10, 0.40, 0.36),
    )
    body = paints[int(rng.integers(len(paints)))]

    def paint() -> None:
        left, right, far = x - 0.9, x + 0.9, z + 4.2
        glass: Color = (0.16, 0.20, 0.24)
        shadow = [(left, 0, far), (right, 0, far), (right + 0.1, 0, z), (left - 0.1, 0, z)]
        painter.fill_polygon(shadow, (0.08, 0.08, 0.09), None)
        inner = left if x > 0 else right
        flank = [(inner, 0.25, z), (inner, 0.25, far), (inner, 0.9, far), (inner, 0.9, z)]
        painter.fill_polygon(flank, scale_color(body, 0.7), CAR)
        roof = [
            (inner, 0.9, z),
            (inner, 0.9, far),
            (inner, 1.45, far - 1),
            (inner, 1.45, z + 0.6),
        ]
        painter.fill_polygon(roof, scale_color(glass, 1.3), CAR)
        cabin = [(left, 0.9, z), (right, 0.9, z), (right - 0.2, 1.5, z), (left + 0.2, 1.5, z)]
        painter.fill_polygon(cabin, body, CAR)
        pane = [(left + 0.18, 0.95, z), (right - 0.18, 0.95, z), (right - 0.3, 1.4, z)]
        painter.fill_polygon([*pane, (left + 0.3, 1.4, z)], glass, CAR)
        painter.fill_upright((left, right), (0.25, 0.95), z, body, CAR)
        for wheel in (left, right - 0.3):
            painter.fill_upright((wheel, wheel + 0.3), (0, 0.3), z, (0.06, 0.06, 0.06), CAR)
        glow = 2.0 if painter.light.lamps else 1.0
        for lamp in (left + 0.05, right - 0.35):
            painter.fill_upright(
                (lamp, lamp + 0.3), (0.62, 0.82), z, (0.9 * glow, 0.1, 0.08), CAR
            )

    return paint
