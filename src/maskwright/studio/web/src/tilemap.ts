// The class map of one image in tiles of 256 x 256 pixels. The pixels of a tile are never changed
// once they are part of an edit: the next edit paints a copy, so that undo needs no snapshots.

import { IGNORE } from "./raster";

export const TILE_PX = 256;
const TILE_BYTES = TILE_PX * TILE_PX;

export interface TileChange { at: number; before: Uint8Array<ArrayBuffer>; after: Uint8Array<ArrayBuffer> }
export interface Rect { left: number; top: number; right: number; bottom: number }
export type Pixels = Uint8Array<ArrayBuffer>;

export class TileMap {
  readonly columns: number;
  readonly rows: number;
  private tiles = new Map<number, Pixels>();
  private touched = new Map<number, Pixels>();
  /** Tiles that an edit would have changed and that are not loaded. */
  missing = new Set<number>();
  /** Painted since `takeDirty`. */
  private dirty: Rect | null = null;

  constructor(readonly height: number, readonly width: number) {
    this.columns = Math.ceil(width / TILE_PX);
    this.rows = Math.ceil(height / TILE_PX);
  }

  get numTiles(): number { return this.columns * this.rows; }
  at(column: number, row: number): number { return row * this.columns + column; }
  place(at: number): [number, number] { return [at % this.columns, Math.floor(at / this.columns)]; }
  tile(at: number): Pixels | undefined { return this.tiles.get(at); }
  has(at: number): boolean { return this.tiles.has(at); }

  set(at: number, pixels: Pixels): void {
    this.tiles.set(at, pixels);
    const [column, row] = this.place(at);
    this.addDirty(column * TILE_PX, row * TILE_PX, (column + 1) * TILE_PX, (row + 1) * TILE_PX);
  }

  holds(x: number, y: number): boolean { return x >= 0 && y >= 0 && x < this.width && y < this.height; }

  value(x: number, y: number): number {
    if (!this.holds(x, y)) return IGNORE;
    const pixels = this.tiles.get(this.at(x >> 8, y >> 8));
    return pixels ? pixels[((y & 255) << 8) | (x & 255)] : IGNORE;
  }

  paint(row: number, left: number, right: number, table: Uint8Array): void {
    for (let column = left >> 8; column <= (right - 1) >> 8; column++) {
      const at = this.at(column, row >> 8);
      const base = (row & 255) << 8;
      const from = base + Math.max(0, left - column * TILE_PX);
      const to = base + Math.min(TILE_PX, right - column * TILE_PX);
      this.paintTile(at, from, to, table);
    }
    this.addDirty(left, row, right, row + 1);
  }

  private paintTile(at: number, from: number, to: number, table: Uint8Array): void {
    let pixels = this.tiles.get(at);
    if (!pixels) {
      this.missing.add(at);
      return;
    }
    let writes = this.touched.has(at);
    for (let i = from; i < to; i++) {
      const value = table[pixels[i]];
      if (value === pixels[i]) continue;
      if (!writes) {
        this.touched.set(at, pixels);
        pixels = pixels.slice();
        this.tiles.set(at, pixels);
        writes = true;
      }
      pixels[i] = value;
    }
  }

  /** End an edit: the tiles that it changed. */
  commit(): TileChange[] {
    const changes = [...this.touched].map(([at, before]) => ({ at, before, after: this.tiles.get(at)! }));
    this.touched.clear();
    this.missing.clear();
    return changes;
  }

  /** Take an edit back that has not ended. */
  cancel(): void {
    for (const [at, before] of this.touched) this.set(at, before);
    this.touched.clear();
    this.missing.clear();
  }

  takeDirty(): Rect | null {
    const dirty = this.dirty;
    this.dirty = null;
    return dirty;
  }

  private addDirty(left: number, top: number, right: number, bottom: number): void {
    const d = this.dirty;
    if (d === null) {
      this.dirty = { left, top, right, bottom };
      return;
    }
    d.left = Math.min(d.left, left);
    d.top = Math.min(d.top, top);
    d.right = Math.max(d.right, right);
    d.bottom = Math.max(d.bottom, bottom);
  }
}

export function emptyTile(): Pixels {
  return new Uint8Array(TILE_BYTES).fill(IGNORE);
}
