// Superpixels: their borders over the image, and the ones that the pen touches, which are what is
// painted when it is lifted. `studio/superpixels.py` picks the same ones by the same rule.

import { readCells } from "./api";
import { CellMap, type Box } from "./cellmap";
import { showNotice } from "./panels";
import { EIGHTHS } from "./raster";
import type { Picture } from "./picture";
import type { View } from "./view";

/** RGBA, little-endian: the colour of the borders, and of what would be painted. */
const BORDER = 0xff0047b3, TOUCHED = 0x990047b3;

const NOTHING: Box = [Infinity, Infinity, 0, 0];

/** The smallest box around two. */
const join = (a: Box, b: Box): Box => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];

export class Cells {
  private map: CellMap | null = null;
  private shown = "";
  /** The path of the pen, in eighths, while it is down. */
  private path: number[] | null = null;
  private readonly touched = new Set<number>();
  /** Left, top, right, bottom of all that is touched. */
  private area: Box = NOTHING;
  private pen: [number, number] = [-1, -1];
  private hovered = 0;
  /** What is touched, as large as the smaller picture. */
  private readonly canvas = new OffscreenCanvas(1, 1);
  private readonly context = this.canvas.getContext("2d", { willReadFrequently: true })!;
  private pixels = new ImageData(1, 1);
  /** The borders on the screen, and of which view they are. */
  private readonly borders = new OffscreenCanvas(1, 1);
  private bordersOf = "";

  constructor(private readonly redraw: () => void) {}

  get isDrawn(): boolean { return this.path !== null; }

  /** Show the superpixels of an image; none without one. */
  show(item: Picture | null, level: number): void {
    const wanted = item ? `${item.id}/${level}` : "";
    if (wanted === this.shown) return;
    this.shown = wanted;
    this.cancel();
    this.map = null;
    document.body.dataset.overlay = item ? "waits" : "";
    this.redraw();
    if (item) void this.load(item, level);
  }

  private async load(item: Picture, level: number): Promise<void> {
    const wanted = this.shown;
    try {
      const map = await readCells(item.id, level).then(({ ids, rows, columns }) => new CellMap(ids, rows, columns, ...item.size_HW));
      if (wanted !== this.shown) return;
      this.take(map);
    } catch (error) {
      if (wanted !== this.shown) return;
      showNotice((error as Error).message);
    }
    document.body.dataset.overlay = "shown";
    this.redraw();
  }

  private take(map: CellMap): void {
    this.map = map;
    [this.canvas.width, this.canvas.height] = [map.columns, map.rows];
    this.pixels = new ImageData(map.columns, map.rows);
    this.bordersOf = "";
    this.hovered = 0;
    this.move(...this.pen);
  }

  press(x: number, y: number): void {
    if (!this.map) return;
    this.settle();
    this.path = [Math.round(x * EIGHTHS), Math.round(y * EIGHTHS)];
    this.touch(this.map.at(x, y));
  }

  move(x: number, y: number): void {
    const { map, path } = this;
    this.pen = [x, y];
    if (!map) return;
    if (path) {
      const [fromX, fromY] = path.slice(-2), to = [Math.round(x * EIGHTHS), Math.round(y * EIGHTHS)] as const;
      path.push(...to);
      for (const id of map.along(fromX, fromY, ...to)) this.touch(id);
    }
    const id = map.at(x, y);
    if (id === this.hovered) return;
    if (!this.touched.has(this.hovered)) this.fill(this.hovered, 0);
    this.fill(id, TOUCHED);
    this.hovered = id;
  }

  /** The path that was drawn; what it touches is coloured until `settle`. */
  lift(): number[] | null {
    const { path } = this;
    this.path = null;
    return path;
  }

  cancel(): void {
    this.path = null;
    this.settle();
  }

  /** What was touched is painted, or is not any more; whether it was shown until now. */
  settle(): boolean {
    if (this.path || this.touched.size === 0) return false;
    for (const id of this.touched) if (id !== this.hovered) this.fill(id, 0);
    this.touched.clear();
    this.area = NOTHING;
    return true;
  }

  private touch(id: number): void {
    if (!this.map || id === 0 || this.touched.has(id)) return;
    this.area = join(this.area, this.map.box(id));
    this.touched.add(id);
    this.fill(id, TOUCHED);
  }

  private fill(id: number, color: number): void {
    const { map } = this;
    if (!map || id === 0) return;
    const [left, top, right, bottom] = map.box(id), out = new Uint32Array(this.pixels.data.buffer);
    for (let y = top; y < bottom; y++) {
      for (let i = y * map.columns + left; i < y * map.columns + right; i++) if (map.ids[i] === id) out[i] = color;
    }
    this.context.putImageData(this.pixels, 0, 0, left, top, right - left, bottom - top);
  }

  draw(context: CanvasRenderingContext2D, view: View): void {
    const { map } = this;
    if (!map) return;
    context.imageSmoothingEnabled = false;
    const sx = map.width / map.columns, sy = map.height / map.rows;
    const [x0, y0, x1, y1] = this.hovered ? join(this.area, map.box(this.hovered)) : this.area;
    if (x1 > x0) context.drawImage(this.canvas, x0, y0, x1 - x0, y1 - y0, x0 * sx, y0 * sy, (x1 - x0) * sx, (y1 - y0) * sy);
    const { left, top, right, bottom } = view.visible;
    this.drawBorders(map, view);
    context.drawImage(this.borders, left, top, right - left, bottom - top);
  }

  /** Borders are one pixel of the screen wide at any zoom: they are drawn for what is seen, when that changes. */
  private drawBorders(map: CellMap, { visible, zoom }: View): void {
    const width = Math.ceil((visible.right - visible.left) * zoom), height = Math.ceil((visible.bottom - visible.top) * zoom);
    const wanted = [visible.left, visible.top, zoom, width, height].join(" ");
    if (wanted === this.bordersOf || width < 1 || height < 1) return;
    this.bordersOf = wanted;
    [this.borders.width, this.borders.height] = [width, height];
    const place = (from: number, size: number, whole: number, parts: number) => Int32Array.from({ length: size + 1 }, (_, i) => {
      const v = Math.floor(from + (i + 0.5) / zoom);
      return v < 0 || v >= whole ? -1 : Math.floor(v * parts / whole);
    });
    const columns = place(visible.left, width, map.width, map.columns), rows = place(visible.top, height, map.height, map.rows);
    const image = new ImageData(width, height), out = new Uint32Array(image.data.buffer);
    const find = (row: number, column: number) => (row < 0 || column < 0 ? 0 : map.ids[row * map.columns + column]);
    for (let y = 0; y < height; y++) {
      for (let x = 0, id = find(rows[y], columns[0]); x < width; x++) {
        const right = find(rows[y], columns[x + 1]);
        if (id !== right || id !== find(rows[y + 1], columns[x])) out[y * width + x] = BORDER;
        id = right;
      }
    }
    this.borders.getContext("2d")!.putImageData(image, 0, 0);
  }
}
