// Which pixel is in which superpixel: `studio/superpixels.py` has the same rules.

import { EIGHTHS } from "./raster";

const MOST_STEPS = 20_000;

/** Left, top, right, bottom. */
export type Box = [number, number, number, number];

/** The superpixel of each pixel of a smaller picture, of `rows x columns`; ids begin at 1. */
export class CellMap {
  /** Left, top, right, bottom of each superpixel. */
  private readonly boxes: Int32Array;

  constructor(readonly ids: Uint16Array, readonly rows: number, readonly columns: number, readonly height: number, readonly width: number) {
    let most = 0;
    for (const id of ids) if (id > most) most = id;
    const boxes = this.boxes = new Int32Array(4 * (most + 1));
    for (let y = 0, i = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++, i++) {
        const at = 4 * ids[i];
        if (boxes[at + 2] === 0) boxes.set([x, y, x + 1, y + 1], at);
        else {
          if (x < boxes[at]) boxes[at] = x;
          if (x >= boxes[at + 2]) boxes[at + 2] = x + 1;
          boxes[at + 3] = y + 1;
        }
      }
    }
  }

  box(id: number): Box { return [...this.boxes.subarray(4 * id, 4 * id + 4)] as Box; }

  /** The superpixel of a place of the image; 0 outside. */
  at(x: number, y: number): number {
    if (!(x >= 0 && y >= 0 && x < this.width && y < this.height)) return 0;
    return this.ids[Math.floor(Math.floor(y) * this.rows / this.height) * this.columns + Math.floor(Math.floor(x) * this.columns / this.width)];
  }

  /** The superpixels on the way from one point to another, in eighths, as `_follow_path` looks for them. */
  *along(x0: number, y0: number, x1: number, y1: number): Generator<number> {
    const dx = (x1 - x0) / EIGHTHS, dy = (y1 - y0) / EIGHTHS;
    const number = Math.min(Math.floor(Math.max(Math.abs(dx), Math.abs(dy))) + 1, MOST_STEPS);
    for (let k = 1; k < number; k++) yield this.at(x0 / EIGHTHS + k * (dx / number), y0 / EIGHTHS + k * (dy / number));
    yield this.at(x1 / EIGHTHS, y1 / EIGHTHS);
  }
}
