// The engine without a page: tests compare its pixels with those of NumPy.

import { CellMap } from "./cellmap";
import { comparePairs, type Pair } from "./contrast";
import { findCosts, findWires, walkWire } from "./livewire";
import { listColors, type PaletteName } from "./palettes";
import { emitSpans, makeTable, type Drawable, type Mode } from "./raster";
import { emptyTile, TileMap } from "./tilemap";
import { hashTile } from "./wire";

export interface Case {
  size_HW: [number, number];
  edits: { value: number; mode: Mode; only: number[] | null; geometry: Drawable }[];
}

/** The hashes of all tiles after some edits of an unlabelled image, row by row. */
export async function drawCase({ size_HW, edits }: Case): Promise<string[]> {
  const [height, width] = size_HW;
  const map = new TileMap(height, width);
  for (let at = 0; at < map.numTiles; at++) map.set(at, emptyTile());
  for (const { value, mode, only, geometry } of edits) {
    const table = makeTable(value, mode, only);
    emitSpans(geometry, height, width, (row, left, right) => map.paint(row, left, right, table));
    map.commit();
  }
  const tiles = Array.from({ length: map.numTiles }, (_, at) => map.tile(at)!);
  return Promise.all(tiles.map(hashTile));
}

/** The colours of classes in a palette, and all pairs of them. */
export function compareCase(own: [number, number, number][], palette: PaletteName): { colors: [number, number, number][]; pairs: Pair[] } {
  const colors = listColors(own.map((color) => ({ name: "", color, kind: "stuff" })), palette);
  return { colors, pairs: comparePairs(colors) };
}

/** The path of the scissors through a grey picture from one corner to another, and what each corner costs. */
export function cutCase({ size_HW: [height, width], grey, from, to }: { size_HW: [number, number]; grey: number[]; from: [number, number]; to: [number, number] }): { path: number[]; costs: number[] } {
  const data = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) => grey[i >> 2]), columns = width + 1;
  const costs = findCosts({ width, height, data });
  const steps = findWires(costs, columns, from[1] * columns + from[0]);
  return { path: walkWire(steps, columns, to[1] * columns + to[0]), costs: [...costs] };
}

/** The superpixels that a path touches. */
export function pickCase({ ids, shape, size_HW, points }: { ids: number[]; shape: [number, number]; size_HW: [number, number]; points: number[] }): number[] {
  const map = new CellMap(Uint16Array.from(ids), ...shape, ...size_HW), found = new Set([map.at(points[0] / 8, points[1] / 8)]);
  for (let i = 2; i + 1 < points.length; i += 2) {
    for (const id of map.along(points[i - 2], points[i - 1], points[i], points[i + 1])) found.add(id);
  }
  found.delete(0);
  return [...found].sort((a, b) => a - b);
}
