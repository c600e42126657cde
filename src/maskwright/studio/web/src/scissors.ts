// Intelligent scissors: a path along edges of the picture from the last anchor to the pen.

import type { Item } from "./api";
import { findEdge, walkWire } from "./livewire";
import { shownValues } from "./picture";
import { EIGHTHS } from "./raster";
import type { Question, Wires } from "./scissors_worker";

/** Pixels of the level of the picture around an anchor in which paths are found, each way. */
const REACH_PX = 256;
/** How far pen and anchors go to the nearest edge, in pixels of this level. */
const SNAP_PX = 5;

const clip = (v: number, most: number) => Math.min(most, Math.max(0, v));

export class Scissors {
  private worker: Worker | null = null;
  private question: Question | null = null;
  private wires: Wires | null = null;
  private number = 0;

  /** `anchored` gets the place of a first anchor, in eighths, once it is on an edge. */
  constructor(private readonly anchored: (x: number, y: number) => void) {}

  /** Find paths from an anchor, in pixels of the image; the first one goes to an edge that is near. */
  anchor(item: Item, zoom: number, x: number, y: number, isFirst: boolean): void {
    const level = Math.min(item.levels - 1, Math.max(0, Math.floor(-Math.log2(zoom) + 1e-9))), scale = 1 << level;
    const [height, width] = item.size_HW.map((size) => Math.ceil(size / scale));
    const begin = (v: number, size: number) => Math.min(Math.max(0, Math.round(v / scale) - REACH_PX), Math.max(0, size - 1));
    const left = begin(x, width), top = begin(y, height);
    const span = (from: number, size: number) => Math.min(size - from, 2 * REACH_PX);
    const part = { left, top, width: span(left, width), height: span(top, height) };
    const at: [number, number] = [clip(Math.round(x / scale) - left, part.width), clip(Math.round(y / scale) - top, part.height)];
    this.forget();
    this.question = { number: ++this.number, item: item.id, level, ...part, at, snap_px: isFirst ? SNAP_PX : 0, page: document.baseURI, values: shownValues() };
    this.start().postMessage(this.question);
  }

  private start(): Worker {
    if (!this.worker) {
      this.worker = new Worker(new URL("./scissors_worker.ts", import.meta.url), { type: "module" });
      this.worker.onmessage = ({ data }: MessageEvent<Wires>) => {
        if (data.number !== this.question?.number) return;
        this.wires = data;
        document.body.dataset.wires = String(data.number);
        if (this.question.snap_px > 0) this.anchored(...this.place(this.question, ...data.at));
      };
    }
    return this.worker;
  }

  forget(): void { this.wires = this.question = null; }

  private place({ left, top, level }: Question, x: number, y: number): [number, number] {
    return [(left + x) * EIGHTHS << level, (top + y) * EIGHTHS << level];
  }

  /** The path from the anchor to a place of the image, without the anchor, in eighths; straight where none was found yet. */
  path(x: number, y: number, snaps = true): number[] {
    const { question, wires } = this, end = [Math.round(x * EIGHTHS), Math.round(y * EIGHTHS)];
    if (!question || !wires) return end;
    const columns = question.width + 1, scale = 1 << question.level;
    const px = Math.round(x / scale) - question.left, py = Math.round(y / scale) - question.top;
    const nx = clip(px, question.width), ny = clip(py, question.height);
    const near = snaps ? findEdge(wires.costs, columns, nx, ny, SNAP_PX) : [nx, ny];
    const corners = walkWire(wires.steps, columns, near[1] * columns + near[0]), points: number[] = [];
    for (let i = 2; i < corners.length; i += 2) points.push(...this.place(question, corners[i], corners[i + 1]));
    return nx === px && ny === py && points.length > 0 ? points : [...points, ...end];
  }
}
