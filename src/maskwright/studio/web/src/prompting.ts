// An object that clicks and boxes mean, until it is accepted; each prompt can be taken back.

import type { Part, Prompt, Prompted } from "./raster";
import type { View } from "./view";

/** Images up to this size are seen whole by the graphs, as well as what is seen when it is larger. */
const MOST_PX = 2048;
/** Parts begin and end at multiples of it, so that their features are found again after a small move. */
const GRID_PX = 128;
/** Pixels of the screen from which on a drag is a box. */
const LEAST_BOX_PX = 5;

export class Prompting {
  private prompts: Prompt[] = [];
  private part: Part | null = null;
  private begun: { at: [number, number]; isInside: boolean } | null = null;

  constructor(private readonly view: View, private readonly changed: () => void) {}

  get isEmpty(): boolean { return this.prompts.length === 0; }
  get isDrawn(): boolean { return this.begun !== null; }
  get geometry(): Prompted { return { kind: "prompted", prompts: this.prompts, part: this.part }; }

  press(x: number, y: number, isInside: boolean): void { this.begun = { at: [Math.floor(x), Math.floor(y)], isInside }; }

  /** The box that is drawn to a place; null where it is a click. */
  box(x: number, y: number): [number, number, number, number] | null {
    if (!this.begun) return null;
    const [left, top] = this.begun.at, far = Math.max(Math.abs(x - left), Math.abs(y - top)) * this.view.zoom;
    return far < LEAST_BOX_PX ? null : [left, top, x, y];
  }

  lift(x: number, y: number): void {
    const { begun } = this, isBox = this.box(x, y) !== null, map = this.view.map;
    this.begun = null;
    if (!begun || !map) return;
    const clip = (v: number, size: number) => Math.min(size - 1, Math.max(0, Math.floor(v)));
    const place = ([px, py]: [number, number]): [number, number] => [clip(px, map.width), clip(py, map.height)];
    const prompt: Prompt = isBox ? { at: place(begun.at), to: place([x, y]) } : { at: place(begun.at), is_inside: begun.isInside };
    this.part = this.findPart();
    this.prompts = [...this.prompts, prompt];
    this.changed();
  }

  /** What is seen now and was seen at the prompts before; null is the whole image. */
  private findPart(): Part | null {
    const map = this.view.map!, seen = this.view.visible, part = this.isEmpty ? null : this.part;
    if (!this.isEmpty && part === null) return null;
    const low = (v: number, before: number | undefined) => Math.max(0, Math.min(Math.floor(v / GRID_PX) * GRID_PX, before ?? Infinity));
    const high = (v: number, before: number | undefined, size: number) => Math.min(size, Math.max(Math.ceil(v / GRID_PX) * GRID_PX, before ?? 0));
    const left = low(seen.left, part?.left), top = low(seen.top, part?.top);
    const width = high(seen.right, part && part.left + part.width || 0, map.width) - left;
    const height = high(seen.bottom, part && part.top + part.height || 0, map.height) - top;
    const isSmall = Math.max(map.width, map.height) <= MOST_PX, seesAll = width >= map.width && height >= map.height;
    return isSmall || seesAll ? null : { left, top, width, height };
  }

  stepBack(): boolean {
    if (this.isEmpty) return false;
    this.prompts = this.prompts.slice(0, -1);
    this.changed();
    return true;
  }

  clear(): void {
    this.begun = null;
    if (this.isEmpty) return;
    this.prompts = [];
    this.part = null;
    this.changed();
  }
}
