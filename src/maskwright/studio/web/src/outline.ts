// The corners of a polygon or a line that is not finished, ring by ring; each addition can be taken back.

import { EIGHTHS } from "./raster";

export class Outline {
  /** Points x, y, x, y... in eighths; those after the first ring are holes where they lie inside. */
  private rings: number[][] = [];
  /** The number of values of the last ring before each addition. */
  private marks: number[][] = [];

  get isEmpty(): boolean { return this.rings.length === 0; }
  /** The last corner, in eighths. */
  get last(): [number, number] | null { return this.pick(-2); }
  /** The first corner of the last ring. */
  get first(): [number, number] | null { return this.pick(0); }
  /** The additions to the last ring. */
  get numSteps(): number { return this.marks.at(-1)?.length ?? 0; }

  private pick(at: number): [number, number] | null {
    const ring = this.rings.at(-1);
    return ring && ring.length >= 2 ? [ring.at(at)!, ring.at(at + 1)!] : null;
  }

  add(points: number[]): void {
    if (this.isEmpty) this.beginRing();
    const ring = this.rings.at(-1)!;
    this.marks.at(-1)!.push(ring.length);
    ring.push(...points);
  }

  /** Put the first corner elsewhere, where it is the only one. */
  moveFirst(x: number, y: number): void {
    if (this.rings.at(-1)?.length === 2) this.rings[this.rings.length - 1] = [x, y];
  }

  /** Take back the last addition; false where there is none. */
  stepBack(): boolean {
    const ring = this.rings.at(-1);
    if (!ring) return false;
    ring.length = this.marks.at(-1)!.pop() ?? 0;
    if (ring.length === 0) {
      this.rings.pop();
      this.marks.pop();
    }
    return true;
  }

  private beginRing(): void {
    this.rings.push([]);
    this.marks.push([]);
  }

  /** Begin another ring, where the last one has three corners. */
  nextRing(): void {
    if ((this.rings.at(-1)?.length ?? 0) >= 6) this.beginRing();
  }

  /** All rings, which are no longer here. */
  take(): number[][] {
    const { rings } = this;
    this.clear();
    return rings;
  }

  clear(): void { this.rings = []; this.marks = []; }

  /** Add the lines to the path of a context, the last one through `tail` to the pen. */
  trace(context: CanvasRenderingContext2D, tail: number[]): void {
    for (const ring of this.rings) {
      const isLast = ring === this.rings.at(-1);
      tracePath(context, isLast ? [...ring, ...tail] : ring);
      if (!isLast || ring.length === 0) context.closePath();
    }
  }
}

function tracePath(context: CanvasRenderingContext2D, points: number[]): void {
  for (let i = 0; i + 1 < points.length; i += 2) {
    if (i === 0) context.moveTo(points[0] / EIGHTHS, points[1] / EIGHTHS);
    else context.lineTo(points[i] / EIGHTHS, points[i + 1] / EIGHTHS);
  }
}
