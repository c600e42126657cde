// What is seen: the picture, the class map and the pen on three canvases, one above the other.
// Painting redraws the part of the class map that it changed, and nothing else.

import { PICTURE_PX, pictureUrl, type Picture } from "./picture";
import { IGNORE } from "./raster";
import { TILE_PX, type Rect, type TileMap } from "./tilemap";

const LEAST_ZOOM = 0.02, MOST_ZOOM = 64;
const DEEPEST = 5;

export interface Look {
  /** 256 colours, RGBA. */
  palette: Uint32Array;
  outline: boolean;
}

interface Shown { canvas: OffscreenCanvas; context: OffscreenCanvasRenderingContext2D; level: number; image: ImageData }

export class View {
  /** Screen pixels of CSS for one pixel of the image. */
  zoom = 1;
  /** The pixel of the image at the upper left corner of the stage. */
  left = 0;
  top = 0;
  map: TileMap | null = null;
  private isFitted = true;
  private item: Picture | null = null;
  private shown = new Map<number, Shown>();
  /** Canvases of tiles that are not shown any more: making them takes longer than drawing on them. */
  private spare: Shown[] = [];
  private pictures = new Map<string, HTMLImageElement>();
  /** Of images that were fetched before they are opened. */
  private ahead = new Map<string, HTMLImageElement>();
  private asked = false;
  private readonly contexts: CanvasRenderingContext2D[];

  constructor(
    private readonly stage: HTMLElement,
    private readonly canvases: HTMLCanvasElement[],
    private readonly look: Look,
    private readonly drawOverlay: (context: CanvasRenderingContext2D, scale: number) => void,
  ) {
    this.contexts = canvases.map((canvas) => canvas.getContext("2d")!);
    new ResizeObserver(() => this.resize()).observe(stage);
    this.resize();
  }

  private get scale(): number { return this.zoom * devicePixelRatio; }
  /** Width and height of the stage; asking it each time would lay the page out. */
  private size: [number, number] = [0, 0];

  /** Show a picture whose labels are not there yet. */
  show(item: Picture): void {
    this.item = item;
    this.map = null;
    this.forgetShown();
    this.pictures = this.ahead;
    this.ahead = new Map();
    this.fit();
  }

  /** Show an image; one whose picture is shown already may have been moved, and stays where it is. */
  open(item: Picture, map: TileMap): void {
    if (this.map || this.item?.id !== item.id) this.show(item);
    this.map = map;
    this.draw();
  }

  /** Fetch what is seen first of another picture, so that it is there when it is opened. */
  prefetch(item: Picture): void {
    for (const level of new Set([item.levels - 1, bestLevel(item, this.fitZoom(item) * devicePixelRatio)])) {
      const [height, width] = item.size_HW, span = PICTURE_PX << level;
      for (let row = 0; row * span < height; row++) {
        for (let column = 0; column * span < width; column++) this.fetchPicture(this.ahead, pictureUrl(item.id, level, column, row));
      }
    }
  }

  /** What was in the middle of the stage stays there; an image that was seen whole stays whole. */
  private resize(): void {
    this.size = [this.stage.clientWidth, this.stage.clientHeight];
    const [width, height] = this.size, ratio = devicePixelRatio;
    const [x, y] = this.toImage(this.canvases[0].width / ratio / 2, this.canvases[0].height / ratio / 2);
    for (const canvas of this.canvases) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    if (this.isFitted) this.fit();
    else this.center(x, y);
  }

  fit(): void {
    this.isFitted = true;
    if (!this.item) return;
    const [height, width] = this.item.size_HW;
    const [w, h] = this.size;
    this.zoom = this.fitZoom(this.item);
    this.left = (width - w / this.zoom) / 2;
    this.top = (height - h / this.zoom) / 2;
    this.draw();
  }

  private fitZoom({ size_HW: [height, width] }: Picture): number {
    const [w, h] = this.size;
    return Math.min(w / width, h / height, MOST_ZOOM) || 1;
  }

  zoomBy(factor: number, x: number, y: number): void {
    this.isFitted = false;
    const [px, py] = this.toImage(x, y);
    this.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom * factor));
    this.left = px - x / this.zoom;
    this.top = py - y / this.zoom;
    this.draw();
  }

  panBy(dx: number, dy: number): void {
    this.isFitted = false;
    this.left -= dx / this.zoom;
    this.top -= dy / this.zoom;
    this.draw();
  }

  center(x: number, y: number): void {
    this.isFitted = false;
    const [w, h] = this.size;
    this.left = x - w / this.zoom / 2;
    this.top = y - h / this.zoom / 2;
    this.draw();
  }

  /** Move so that a pixel of the image is seen. */
  reveal(x: number, y: number): void {
    const [w, h] = this.size;
    const [sx, sy] = this.toStage(x, y);
    if (sx < 0 || sy < 0 || sx > w || sy > h) this.center(x, y);
  }

  toImage(x: number, y: number): [number, number] { return [this.left + x / this.zoom, this.top + y / this.zoom]; }
  toStage(x: number, y: number): [number, number] { return [(x - this.left) * this.zoom, (y - this.top) * this.zoom]; }

  /** The pixels of the image that are seen. */
  get visible(): Rect {
    const [w, h] = this.size;
    return { left: this.left, top: this.top, right: this.left + w / this.zoom, bottom: this.top + h / this.zoom };
  }

  /** The part of the image that is seen, in whole pixels and at most 2048 of them each way. */
  get seenPart(): { left: number; top: number; width: number; height: number } {
    const seen = this.visible, [height, width] = this.item!.size_HW;
    const left = Math.min(width - 1, Math.max(0, Math.floor(seen.left))), top = Math.min(height - 1, Math.max(0, Math.floor(seen.top)));
    const span = (from: number, to: number) => Math.min(2048, Math.max(1, Math.ceil(to) - from));
    return { left, top, width: span(left, Math.min(width, seen.right)), height: span(top, Math.min(height, seen.bottom)) };
  }

  /** Other channels or values of the picture are shown. */
  renew(): void {
    this.pictures.clear();
    this.ahead.clear();
    this.draw();
  }

  /** Colours or outlines have changed. */
  recolor(): void {
    this.forgetShown();
    this.draw();
  }

  private forgetShown(): void {
    this.spare = [...this.shown.values()];
    this.shown.clear();
  }

  draw(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.drawPicture();
      this.refreshDirty();
      this.drawLabels(this.visible);
      this.drawPen();
    });
  }

  /** The labels have changed in some places: draw these. */
  drawChanges(): void {
    const dirty = this.refreshDirty();
    if (!dirty) return;
    const edge = 1 << this.level;
    this.drawLabels({
      left: dirty.left - edge, top: dirty.top - edge, right: dirty.right + edge, bottom: dirty.bottom + edge,
    });
  }

  private refreshDirty(): Rect | null {
    const dirty = this.map?.takeDirty() ?? null;
    if (dirty) for (const at of this.tilesIn(dirty)) if (this.shown.has(at)) this.refresh(at, dirty);
    return dirty;
  }

  drawPen(): void {
    const context = this.contexts[2];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvases[2].width, this.canvases[2].height);
    const scale = this.scale;
    context.setTransform(scale, 0, 0, scale, -this.left * scale, -this.top * scale);
    this.drawOverlay(context, scale);
  }

  private get level(): number {
    return Math.min(DEEPEST, Math.max(0, Math.floor(-Math.log2(this.scale) + 1e-9)));
  }

  private *tilesIn(rect: Rect): Generator<number> {
    const map = this.map!;
    if (rect.right < 0 || rect.bottom < 0 || rect.left > map.width || rect.top > map.height) return;
    const clip = (v: number, most: number) => Math.min(most, Math.max(0, Math.floor(v / TILE_PX)));
    for (let row = clip(rect.top, map.rows - 1); row <= clip(rect.bottom, map.rows - 1); row++) {
      for (let column = clip(rect.left, map.columns - 1); column <= clip(rect.right, map.columns - 1); column++) {
        yield map.at(column, row);
      }
    }
  }

  private drawLabels(rect: Rect): void {
    const map = this.map, context = this.contexts[1], scale = this.scale;
    if (!map) return context.clearRect(0, 0, this.canvases[1].width, this.canvases[1].height);
    const x = (v: number) => Math.round((v - this.left) * scale), y = (v: number) => Math.round((v - this.top) * scale);
    context.save();
    context.beginPath();
    context.rect(x(rect.left), y(rect.top), x(rect.right) - x(rect.left), y(rect.bottom) - y(rect.top));
    context.clip();
    context.clearRect(0, 0, this.canvases[1].width, this.canvases[1].height);
    context.beginPath();
    context.rect(x(0), y(0), x(map.width) - x(0), y(map.height) - y(0));
    context.clip();
    context.imageSmoothingEnabled = false;
    const seen = this.visible;
    const both = {
      left: Math.max(rect.left, seen.left), top: Math.max(rect.top, seen.top),
      right: Math.min(rect.right, seen.right), bottom: Math.min(rect.bottom, seen.bottom),
    };
    for (const at of this.tilesIn(both)) {
      const shown = this.refresh(at, null);
      if (!shown) continue;
      const [column, row] = map.place(at);
      const left = x(column * TILE_PX), top = y(row * TILE_PX);
      context.drawImage(shown.canvas, left, top, x((column + 1) * TILE_PX) - left, y((row + 1) * TILE_PX) - top);
    }
    context.restore();
  }

  /** Colour a tile, or the part of it that lies in `rect`; null where its pixels are not there. */
  private refresh(at: number, rect: Rect | null): Shown | null {
    const map = this.map!, pixels = map.tile(at), level = this.level;
    if (!pixels) return null;
    let shown = this.shown.get(at);
    if (shown?.level === level && rect === null) return shown;
    if (shown?.level !== level) {
      const spare = this.spare.pop();
      shown = spare?.level === level ? spare : makeShown(level);
      this.shown.set(at, shown);
      rect = null;
    }
    const [column, row] = map.place(at), side = TILE_PX >> level;
    const clip = (v: number) => Math.min(side, Math.max(0, v));
    const step = 1 << level;
    const left = rect ? clip(Math.floor((rect.left - column * TILE_PX) / step) - 1) : 0;
    const top = rect ? clip(Math.floor((rect.top - row * TILE_PX) / step) - 1) : 0;
    const right = rect ? clip(Math.ceil((rect.right - column * TILE_PX) / step) + 1) : side;
    const bottom = rect ? clip(Math.ceil((rect.bottom - row * TILE_PX) / step) + 1) : side;
    this.color(shown, pixels, column * TILE_PX, row * TILE_PX, { left, top, right, bottom });
    shown.context.putImageData(shown.image, 0, 0, left, top, right - left, bottom - top);
    return shown;
  }

  private color(shown: Shown, pixels: Uint8Array, x0: number, y0: number, rect: Rect): void {
    const { palette, outline } = this.look, map = this.map!, { level } = shown;
    const out = new Uint32Array(shown.image.data.buffer), side = TILE_PX >> level;
    for (let y = rect.top; y < rect.bottom; y++) {
      for (let x = rect.left; x < rect.right; x++) {
        const value = level === 0 ? pixels[(y << 8) | x] : pickValue(pixels, x, y, level);
        let color = palette[value];
        if (value === IGNORE) color = (x + y) % 8 === 0 ? color : 0;
        else if (outline && !isBorder(map, x0 + (x << level), y0 + (y << level), 1 << level, value)) color = 0;
        out[y * side + x] = color;
      }
    }
  }

  private drawPicture(): void {
    const item = this.item, context = this.contexts[0], scale = this.scale;
    if (!item) return;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvases[0].width, this.canvases[0].height);
    context.imageSmoothingEnabled = scale < 2;
    // The coarsest level covers all while the finer tiles are on their way.
    for (const level of new Set([item.levels - 1, bestLevel(item, scale)])) this.drawLevel(context, item, level, scale);
  }

  private drawLevel(context: CanvasRenderingContext2D, item: Picture, level: number, scale: number): void {
    const span = PICTURE_PX << level, [height, width] = item.size_HW, seen = this.visible;
    const first = (v: number) => Math.max(0, Math.floor(v / span));
    const last = (v: number, size: number) => Math.min(Math.ceil(size / span) - 1, Math.floor(v / span));
    for (let row = first(seen.top); row <= last(seen.bottom, height); row++) {
      for (let column = first(seen.left); column <= last(seen.right, width); column++) {
        const image = this.findPicture(item, level, column, row);
        if (!image.complete || image.naturalWidth === 0) continue;
        const left = Math.round((column * span - this.left) * scale), top = Math.round((row * span - this.top) * scale);
        const right = Math.round((Math.min(width, (column + 1) * span) - this.left) * scale);
        const bottom = Math.round((Math.min(height, (row + 1) * span) - this.top) * scale);
        context.drawImage(image, left, top, right - left, bottom - top);
      }
    }
  }

  private findPicture(item: Picture, level: number, column: number, row: number): HTMLImageElement {
    const url = pictureUrl(item.id, level, column, row);
    return this.pictures.get(url) ?? this.fetchPicture(this.pictures, url);
  }

  private fetchPicture(into: Map<string, HTMLImageElement>, url: string): HTMLImageElement {
    const image = Object.assign(new Image(), { onload: () => this.draw(), src: url });
    into.set(url, image);
    return image;
  }
}

function makeShown(level: number): Shown {
  const side = TILE_PX >> level, canvas = new OffscreenCanvas(side, side), context = canvas.getContext("2d")!;
  return { canvas, context, level, image: context.createImageData(side, side) };
}

/** The level of a picture that has about as many pixels as the screen. */
const bestLevel = ({ levels }: Picture, scale: number): number => Math.min(levels - 1, Math.max(0, Math.floor(-Math.log2(scale) + 1e-9)));

/** The commonest of four values of a block; of equally common ones a class, then the lower in the list, which lies above. */
function pickValue(pixels: Uint8Array, x: number, y: number, level: number): number {
  const step = 1 << level, near = step >> 2, far = step - 1 - near;
  const row = ((y << level) + near) << 8, low = ((y << level) + far) << 8, left = (x << level) + near, right = (x << level) + far;
  const a = pixels[row + left], b = pixels[row + right], c = pixels[low + left], d = pixels[low + right];
  if ((a === b && c === d) || (a === c && b === d) || (a === d && b === c)) return pickUpper(a, a === b ? c : b);
  if (a === b || a === c || a === d) return a;
  if (b === c || b === d) return b;
  return c === d ? c : pickUpper(pickUpper(a, b), pickUpper(c, d));
}

function pickUpper(one: number, other: number): number {
  if (one === IGNORE || other === IGNORE) return Math.min(one, other);
  return Math.max(one, other);
}

function isBorder(map: TileMap, x: number, y: number, step: number, value: number): boolean {
  return map.value(x - step, y) !== value || map.value(x + step, y) !== value
    || map.value(x, y - step) !== value || map.value(x, y + step) !== value;
}
