"""Inner loops compiled by numba: eight pixels or 64 bits per step, without the GIL.

One thread works on one image; callers distribute the images. Compiled code is cached on disk
where a folder can be written, so that only the first run of an installation compiles.
"""

import numpy as np
from numpy.typing import NDArray

from ...labels import IGNORE, LabelMap
from . import _compiled_upsampling, _lattice
from . import numpy as in_numpy
from ._bits import disc_half_widths_px
from ._compiled import compile_loop

blur = _lattice.blur
upsample_argmax = _compiled_upsampling.upsample_argmax
mark_outside_band = in_numpy.mark_outside_band  # nothing to gain: whole words already
_ONES = np.uint64(0x0101010101010101)
_BYTE = np.uint64(255)
_EIGHT = np.uint64(8)
_IGNORE = np.uint8(IGNORE)
_STRIP_ROWS = 128
_TILE_WORDS = 4


def count_pairs(truth_HW: LabelMap, predicted_HW: LabelMap) -> NDArray[np.int64]:
    """See `core.kernels.kernel.Kernel`."""
    truth = np.ascontiguousarray(truth_HW).reshape(-1)
    predicted = np.ascontiguousarray(predicted_HW).reshape(-1)
    num_words = truth.size // 8
    counts = np.zeros((256, 256), np.int64)
    _count_words(_as_words(truth, num_words), _as_words(predicted, num_words), counts)
    _count_pixels(truth[8 * num_words :], predicted[8 * num_words :], counts)
    return counts


def _as_words(pixels: LabelMap, num_words: int) -> NDArray[np.uint64]:
    words = pixels[: 8 * num_words].view(np.uint64)
    return words if words.flags.aligned else words.copy()


@compile_loop
def _count_words(
    truth: NDArray[np.uint64], predicted: NDArray[np.uint64], counts: NDArray[np.int64]
) -> None:
    """Count eight pixels per word, and a run of equal words at once."""
    run = 0
    for i in range(truth.size):
        run += 1
        a, b = truth[i], predicted[i]
        if i + 1 < truth.size and truth[i + 1] == a and predicted[i + 1] == b:
            continue
        if a == (a & _BYTE) * _ONES and b == (b & _BYTE) * _ONES:
            counts[a & _BYTE, b & _BYTE] += 8 * run
        else:
            for _ in range(8):
                counts[a & _BYTE, b & _BYTE] += run
                a >>= _EIGHT
                b >>= _EIGHT
        run = 0


@compile_loop
def _count_pixels(truth: LabelMap, predicted: LabelMap, counts: NDArray[np.int64]) -> None:
    for i in range(truth.size):
        counts[truth[i], predicted[i]] += 1


def count_near(
    truth_HW: LabelMap, predicted_HW: LabelMap, *, num_classes: int, reach_px: int
) -> NDArray[np.int64]:
    """See `core.kernels.kernel.Kernel`."""
    maps = np.stack((truth_HW, predicted_HW))
    counts_5C = np.zeros((5, num_classes), np.int64)
    if maps.size:
        _count_near_by_strips(maps, np.array(disc_half_widths_px(reach_px)), counts_5C)
    return counts_5C


@compile_loop
def _count_near_by_strips(
    maps_2HW: NDArray[np.uint8], widths: NDArray[np.int64], counts_5C: NDArray[np.int64]
) -> None:
    """Count strip by strip, so that the planes of all classes stay in the processor's cache.

    Planes 0 and 1 hold the boundaries of truth and prediction, plane 2 the truth's open one.
    """
    height, width = maps_2HW.shape[1:]
    num_classes, reach = counts_5C.shape[1], widths.size - 1
    strip = max(_STRIP_ROWS, 4 * reach)
    margin = reach // 64 + 1
    num_words = (width + 63) // 64 + 2 * margin
    num_rows = min(strip, height) + 2 * reach
    planes = np.zeros((3, num_classes, num_rows, num_words), np.uint64)
    seen = np.zeros((3, num_classes), np.bool_)
    room = np.zeros((4, num_rows * (_TILE_WORDS + 2 * margin)), np.uint64)
    for top in range(0, height, strip):
        bottom = min(top + strip, height)
        for y in range(max(top - reach, 0), min(bottom + reach, height)):
            lines = planes[:, :, y - top + reach, margin:]
            _draw_row(maps_2HW[0], y, (lines[0], lines[2]), (seen[0], seen[2]))
            _draw_row(maps_2HW[1], y, (lines[1], lines[1, :0]), (seen[1], seen[1]))
        rows = reach, reach + bottom - top
        for index in range(num_classes):
            if seen[2, index]:
                counts_5C[4, index] += _count_bits(planes[2, index, rows[0] : rows[1]])
            for side in range(2):
                mine, other = planes[side, index], planes[1 - side, index]
                open_truth = planes[2, index] if side and seen[2, index] else mine[:0]
                if seen[side, index]:
                    others = other, open_truth
                    num, num_near = _count_near_in_strip(mine, others, rows, widths, room)
                    counts_5C[2 * side, index] += num
                    counts_5C[2 * side + 1, index] += num_near
            for side in range(3):
                if seen[side, index]:
                    planes[side, index] = 0
                    seen[side, index] = False


@compile_loop
def _count_bits(plane: NDArray[np.uint64]) -> np.int64:
    num = np.int64(0)
    for row in range(plane.shape[0]):
        for word in range(plane.shape[1]):
            if plane[row, word]:
                num += _popcount(plane[row, word])
    return num


@compile_loop
def _count_near_in_strip(
    mine: NDArray[np.uint64],
    others: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    rows: tuple[int, int],
    widths: NDArray[np.int64],
    room: NDArray[np.uint64],
) -> tuple[np.int64, np.int64]:
    """Count the bits in the rows of `mine`, and those near a bit of the other, tile by tile.

    A bit that is near none of the first of `others` but one of the second is not counted.
    """
    margin, num, num_near = (widths.size - 1) // 64 + 1, np.int64(0), np.int64(0)
    for left in range(0, mine.shape[1] - 2 * margin, _TILE_WORDS):
        words = left, min(left + _TILE_WORDS, mine.shape[1] - 2 * margin)
        used = _find_used_rows(mine, rows, (words[0] + margin, words[1] + margin))
        if used[0] < used[1]:
            counts = _count_near_in_tile(mine, others, (used, words), widths, room)
            num, num_near = num + counts[0], num_near + counts[1]
    return num, num_near


@compile_loop
def _find_used_rows(
    plane: NDArray[np.uint64], rows: tuple[int, int], words: tuple[int, int]
) -> tuple[int, int]:
    """Find the first and the last (excluded) of `rows` that has a bit set in `words`."""
    first, last = rows[1], rows[0]
    for row in range(rows[0], rows[1]):
        some = np.uint64(0)
        for word in range(words[0], words[1]):
            some |= plane[row, word]
        if some:
            first, last = min(first, row), row + 1
    return first, last


@compile_loop
def _draw_row(
    labels_HW: NDArray[np.uint8],
    y: int,
    lines: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    seen: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    """Set the bits of the boundary pixels of row `y` in the lines of the classes they bound.

    The second of `lines` takes the open boundary; it has no class where none is wanted.
    """
    height, width = labels_HW.shape
    here, below = labels_HW[y], labels_HW[min(y + 1, height - 1)]
    mixed = np.zeros((width + 7) // 8 * 8, np.uint8)
    groups = mixed.view(np.uint64)
    for x in range(width - 1):
        mixed[x] = (here[x] != here[x + 1]) | (here[x] != below[x]) | (here[x] != below[x + 1])
    mixed[width - 1] = here[width - 1] != below[width - 1]
    for group in range(groups.size):
        if groups[group] == 0:
            continue
        for x in range(8 * group, 8 * group + 8):
            if mixed[x]:
                right = min(x + 1, width - 1)
                square = here[x], here[right], below[right], below[x]
                if _IGNORE in square:
                    _draw_square(square, x, lines, seen)
                    continue
                bit = np.uint64(1) << np.uint64(x % 64)
                for index in square:
                    if index < lines[0].shape[0]:
                        lines[0][index, x // 64] |= bit
                        seen[0][index] = True


@compile_loop
def _draw_square(
    square: tuple[np.uint8, np.uint8, np.uint8, np.uint8],
    x: int,
    lines: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    seen: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    """Set bit `x` for the classes in a 2 x 2 square, listed clockwise, that meet another."""
    word, bit = x // 64, np.uint64(1) << np.uint64(x % 64)
    for i in range(4):
        index = square[i]
        if index >= lines[0].shape[0]:
            continue
        for neighbour in (square[(i + 3) % 4], square[(i + 1) % 4]):
            if neighbour == index:
                continue
            if neighbour != _IGNORE:
                lines[0][index, word] |= bit
                seen[0][index] = True
            elif index < lines[1].shape[0]:
                lines[1][index, word] |= bit
                seen[1][index] = True


@compile_loop
def _count_near_in_tile(
    mine: NDArray[np.uint64],
    others: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    tile: tuple[tuple[int, int], tuple[int, int]],
    widths: NDArray[np.int64],
    room: NDArray[np.uint64],
) -> tuple[np.int64, np.int64]:
    """Count the bits in a tile (rows, words) of `mine`, and those near a bit of the others."""
    (top, bottom), (left, right) = tile
    margin = (widths.size - 1) // 64 + 1
    num_words = right - left + 2 * margin
    near = _dilate_tile(others[0], tile, widths, room[:3])
    has_open = False
    if others[1].shape[0] > 0:
        around = top - widths.size + 1, bottom + widths.size - 1
        used = _find_used_rows(others[1], around, (left, left + num_words))
        has_open = used[0] < used[1]
    if has_open:
        kept = room[3, : near.size]
        kept[:] = near
        near_open = _dilate_tile(others[1], tile, widths, room[:3])
        near = kept
    num, num_near = np.int64(0), np.int64(0)
    for row in range(bottom - top):
        line = mine[top + row, left + margin :]
        first = row * num_words + margin
        for i in range(num_words - 2 * margin):
            is_near = line[i] & near[first + i]
            num_near += _popcount(is_near)
            if has_open:
                num += _popcount(is_near | (line[i] & ~near_open[first + i]))
            else:
                num += _popcount(line[i])
    return num, num_near


@compile_loop
def _dilate_tile(
    plane: NDArray[np.uint64],
    tile: tuple[tuple[int, int], tuple[int, int]],
    widths: NDArray[np.int64],
    room: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """Set the bits of a tile that are near a bit of `plane`, row after row in one line.

    The tile and its surroundings within the reach are copied into one line, row after row. A
    bit that moves past the end of a row stays in the margin, which is as wide as the reach.
    """
    (top, bottom), (left, right) = tile
    reach, margin = widths.size - 1, (widths.size - 1) // 64 + 1
    num_rows, num_words = bottom - top, right - left + 2 * margin
    wide, wider = room[:2, : (num_rows + 2 * reach) * num_words]
    for row in range(num_rows + 2 * reach):
        source = plane[top - reach + row, left : left + num_words]
        wide[row * num_words : (row + 1) * num_words] = source
    near = room[2, : num_rows * num_words]
    near[:] = 0
    width = 0
    for row in range(reach, -1, -1):
        while width < widths[row]:
            step = min(widths[row] - width, 2 * width + 1, 63)
            _widen(wide, step, wider)
            wide, wider = wider, wide
            width += step
        above, below = (reach - row) * num_words, (reach + row) * num_words
        _merge(near, wide[above : above + near.size], wide[below : below + near.size])
    return near


@compile_loop
def _merge(into: NDArray[np.uint64], one: NDArray[np.uint64], two: NDArray[np.uint64]) -> None:
    for i in range(into.size):
        into[i] |= one[i] | two[i]


@compile_loop
def _widen(line: NDArray[np.uint64], step_px: int, out: NDArray[np.uint64]) -> None:
    """Set each bit and those `step_px` (1..63) to its left and right; copy the end words."""
    step, rest = np.uint64(step_px), np.uint64(64 - step_px)
    out[0], out[-1] = line[0], line[-1]
    for i in range(1, line.size - 1):
        shifted = (line[i] << step) | (line[i] >> step)
        out[i] = line[i] | shifted | (line[i - 1] >> rest) | (line[i + 1] << rest)


@compile_loop
def _popcount(word: np.uint64) -> np.int64:
    """Count the bits that are 1: sums of 2, 4, 8 adjacent bits, then the sum of the bytes."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    pairs = np.uint64(0x3333333333333333)
    word = (word & pairs) + ((word >> np.uint64(2)) & pairs)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * _ONES) >> np.uint64(56))
