"""The scissors: their paths are the cheapest, and follow the edge of an object in the page."""

import json

import cv2
import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from tests.studio.driving import (
    SAVED,
    drag,
    evaluate,
    open_page,
    press,
    read_item,
    to_screen,
    wait_for_revision,
)

from maskwright.studio.project import open_project

STEPS = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x]
SIDE, ACROSS = 5, 7


def _cut(browser, grey_HW, start, end):
    case = {"size_HW": grey_HW.shape, "grey": grey_HW.ravel().tolist()}
    case = json.dumps(case | {"from": start, "to": end})
    found = evaluate(
        browser, f"import('/assets/engine.js').then(engine => engine.cutCase({case}))"
    )
    costs_HW = np.reshape(found["costs"], [size + 1 for size in grey_HW.shape])
    return np.reshape(found["path"], (-1, 2)).tolist(), costs_HW


def _sum_costs(path, costs_HW):
    """Of all corners that a path enters, also those in the middle of straight pieces."""
    total, (x, y) = 0, path[0]
    for next_x, next_y in path[1:]:
        dx, dy = np.sign(next_x - x), np.sign(next_y - y)
        assert dx * (next_y - y) == dy * (next_x - x)  # along a row, a column or a diagonal
        while (x, y) != (next_x, next_y):
            x, y = x + dx, y + dy
            total += costs_HW[y, x] * (ACROSS if dx and dy else SIDE)
    return total


def _find_least(costs_HW, start, end):
    height, width = costs_HW.shape
    number_HW = np.arange(height * width).reshape(height, width)
    edges = []
    for dy, dx in STEPS:
        to_HW = np.roll(number_HW, (-dy, -dx), (0, 1))
        rows, columns = np.mgrid[:height, :width]
        inside_HW = (rows + dy >= 0) & (rows + dy < height)
        inside_HW &= (columns + dx >= 0) & (columns + dx < width)
        weight = costs_HW.ravel()[to_HW[inside_HW]] * (ACROSS if dx and dy else SIDE)
        edges.append((weight, number_HW[inside_HW], to_HW[inside_HW]))
    weight, source, to = map(np.concatenate, zip(*edges, strict=True))
    graph = coo_array((weight, (source, to)), shape=(height * width,) * 2).tocsr()
    distance = dijkstra(graph, indices=number_HW[start[1], start[0]])
    return distance[number_HW[end[1], end[0]]]


def test_a_path_is_the_cheapest_and_lies_on_the_edge(browser, studio):
    open_page(browser, studio.link)
    rng = np.random.default_rng(0)
    grey_HW = cv2.GaussianBlur(rng.integers(0, 256, (40, 60)).astype(np.uint8), (0, 0), 2)
    start, end = [3, 35], [57, 2]
    path, costs_HW = _cut(browser, grey_HW, start, end)
    assert (path[0], path[-1]) == (start, end)
    assert costs_HW.min() == 1
    assert costs_HW.max() == 32
    assert _sum_costs(path, costs_HW) == _find_least(costs_HW, start, end)
    step_HW = np.zeros((20, 30), np.uint8)
    step_HW[:, 13:] = 200
    assert _cut(browser, step_HW, [13, 1], [13, 18])[0] == [[13, 1], [13, 18]]
    path, _ = _cut(browser, step_HW, [11, 2], [15, 18])
    assert path[2:4] == [[13, 3], [13, 18]]


def test_the_scissors_follow_an_object_and_are_one_step(browser, start_studio, tmp_path):
    truth_HW = _draw_flower(tmp_path / "photos")
    studio = start_studio(tmp_path / "photos", "--classes", "field,flower")
    open_page(browser, studio.link)
    press(browser, "2")
    press(browser, "x")
    rng, corners = np.random.default_rng(1), []
    for angle in np.arange(8) * np.pi / 4:
        radius = 90 + 12 * np.sin(5 * angle) + rng.uniform(-3, 3)
        corners.append((260 + radius * np.cos(angle), 150 + radius * np.sin(angle)))
    for number, corner in enumerate([*corners, (10, 10)], 1):
        drag(browser, *to_screen(browser, corner))
        browser.wait_for(f"document.body.dataset.wires === '{number}'")
    press(browser, "z", modifiers=2)  # the last corner was a mistake
    press(browser, "Enter")
    wait_for_revision(browser, 1)
    browser.wait_for(SAVED)
    after = read_item(browser, 1)
    press(browser, "z", modifiers=2)
    wait_for_revision(browser, 2)
    press(browser, "y", modifiers=2)
    assert wait_for_revision(browser, 3)["tiles"] == after["tiles"]
    studio.kill()
    with open_project(tmp_path / "photos") as project, project.store.read() as connection:
        cut_HW = project.read_map(connection, project.find_item(connection, 1)) == 1
    straight_HW = cv2.fillPoly(np.zeros_like(truth_HW, np.uint8), [np.intp(corners)], 1) > 0
    assert _find_iou(straight_HW, truth_HW) < 0.9
    assert _find_iou(cut_HW, truth_HW) > 0.96


def _draw_flower(folder):
    """A soft flower in noise, and its pixels."""
    y_HW, x_HW = np.mgrid[-150:150, -260:260]
    angle_HW = np.arctan2(y_HW, x_HW)
    truth_HW = np.hypot(y_HW, x_HW) < 90 + 12 * np.sin(5 * angle_HW)
    image_HW3 = np.where(truth_HW[..., None], (150, 110, 90), (100, 120, 100))
    image_HW3 = cv2.GaussianBlur(image_HW3.astype(np.float64), (0, 0), 1.5)
    image_HW3 += np.random.default_rng(2).normal(0, 8, image_HW3.shape)
    folder.mkdir()
    Image.fromarray(image_HW3.clip(0, 255).astype(np.uint8)).save(folder / "flower.png")
    return truth_HW


def _find_iou(one_HW, other_HW):
    return (one_HW & other_HW).sum() / (one_HW | other_HW).sum()
