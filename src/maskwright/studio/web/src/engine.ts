// The engine without a page: tests compare its pixels with those of NumPy.

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
