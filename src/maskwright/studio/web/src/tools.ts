// Tools: what pointer and pen keys do. A tool gets places in pixels of the image.

import type { Brush, Doc } from "./document";
import { EIGHTHS, fillSegment, type Mode } from "./raster";

export type ToolName = "brush" | "eraser" | "polygon" | "flood" | "replace" | "move";

export interface Settings {
  tool: ToolName;
  value: number;
  mode: Mode;
  diameter: number;
  locked: Set<number>;
}

/** A pen of odd width sits on pixel centres, one of even width on their corners. */
function snap(v: number, diameter: number): number {
  return diameter % 2 === 1 ? EIGHTHS * Math.floor(v) + EIGHTHS / 2 : EIGHTHS * Math.round(v);
}

export class Tools {
  doc: Doc | null = null;
  private points: number[] = [];
  private stroke: Brush | null = null;
  private rings: number[][] = [];
  /** Where the pen is, in pixels of the image. */
  pen: [number, number] = [0, 0];

  constructor(private readonly settings: Settings) {}

  get draws(): boolean { return this.stroke !== null; }
  get hasPolygon(): boolean { return this.rings.length > 0; }

  brush(tool: string, mode: Mode = this.settings.mode, only: number[] | null = null): Brush {
    const { locked, value } = this.settings;
    const free = Array.from({ length: 256 }, (_, old) => old).filter((old) => !locked.has(old));
    const allowed = only ?? (locked.size > 0 ? free : null);
    return { tool, value, mode, only: allowed?.filter((old) => !locked.has(old)) ?? null };
  }

  press(x: number, y: number): void {
    this.pen = [x, y];
    const { doc } = this;
    if (!doc?.canPaint) return;
    const { tool } = this.settings;
    if (tool === "brush" || tool === "eraser") this.beginStroke(doc, x, y);
    else if (tool === "polygon") this.addCorner(x, y);
    else if (tool === "flood" || tool === "replace") this.fillAt(doc, tool, Math.floor(x), Math.floor(y));
  }

  move(x: number, y: number): void {
    this.pen = [x, y];
    if (this.stroke && this.doc) this.extend(this.doc, x, y);
  }

  lift(): void {
    if (!this.stroke || !this.doc) return;
    this.doc.end(this.stroke, { kind: "stroke", radius: this.settings.diameter * EIGHTHS / 2, points: this.points });
    this.stroke = null;
  }

  /** Take back the last corner, or the whole stroke that is being drawn; false where there is none. */
  stepBack(): boolean {
    if (this.stroke) {
      this.doc?.cancel();
      this.stroke = null;
      return true;
    }
    const ring = this.rings.at(-1);
    if (!ring) return false;
    ring.splice(-2);
    if (ring.length === 0) this.rings.pop();
    return true;
  }

  cancel(): void {
    if (this.stroke) this.stepBack();
    this.rings = [];
  }

  private beginStroke(doc: Doc, x: number, y: number): void {
    this.stroke = this.brush(this.settings.tool, this.settings.tool === "eraser" ? "erase" : undefined);
    this.points = [];
    doc.begin(this.stroke);
    this.extend(doc, x, y);
  }

  private extend(doc: Doc, x: number, y: number): void {
    const { diameter } = this.settings;
    const px = snap(x, diameter), py = snap(y, diameter), num = this.points.length;
    const fromX = num ? this.points[num - 2] : px, fromY = num ? this.points[num - 1] : py;
    if (num && fromX === px && fromY === py) return;
    this.points.push(px, py);
    fillSegment(fromX, fromY, px, py, diameter * EIGHTHS / 2, doc.map.height, doc.map.width,
      (row, left, right) => doc.paint(row, left, right));
  }

  addCorner(x: number, y: number): void {
    if (this.rings.length === 0) this.rings.push([]);
    this.rings.at(-1)!.push(Math.round(x * EIGHTHS), Math.round(y * EIGHTHS));
  }

  /** Begin another ring: a hole where it lies inside. */
  nextRing(): void {
    if ((this.rings.at(-1)?.length ?? 0) >= 6) this.rings.push([]);
  }

  closePolygon(): void {
    const rings = this.rings.filter((ring) => ring.length >= 6);
    this.rings = [];
    if (rings.length > 0 && this.doc?.canPaint) this.doc.draw(this.brush("polygon"), { kind: "polygon", rings });
  }

  private fillAt(doc: Doc, tool: "flood" | "replace", x: number, y: number): void {
    if (x < 0 || y < 0 || x >= doc.map.width || y >= doc.map.height) return;
    if (tool === "flood") doc.fill(this.brush(tool), { kind: "flood", at: [x, y] });
    else doc.fill(this.brush(tool, "overwrite", [doc.map.value(x, y)]), { kind: "all" });
  }

  fillUnlabelled(): void {
    if (this.doc?.canPaint) this.doc.fill(this.brush("fill", "keep"), { kind: "all" });
  }

  drawOverlay(context: CanvasRenderingContext2D, scale: number): void {
    const { tool, diameter } = this.settings;
    const [x, y] = this.pen, line = 1 / scale;
    const strokes: [string, number][] = [["#000", 3 * line], ["#fff", 1.2 * line]];
    for (const [color, width] of strokes) {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      if (tool === "brush" || tool === "eraser") {
        context.arc(snap(x, diameter) / EIGHTHS, snap(y, diameter) / EIGHTHS, diameter / 2, 0, 2 * Math.PI);
      } else {
        const arm = 9 * line;
        context.moveTo(x - arm, y);
        context.lineTo(x + arm, y);
        context.moveTo(x, y - arm);
        context.lineTo(x, y + arm);
      }
      for (const ring of this.rings) {
        for (let i = 0; i < ring.length; i += 2) {
          const place: [number, number] = [ring[i] / EIGHTHS, ring[i + 1] / EIGHTHS];
          if (i === 0) context.moveTo(...place);
          else context.lineTo(...place);
        }
        if (ring === this.rings.at(-1) && ring.length > 0) context.lineTo(x, y);
        else context.closePath();
      }
      context.stroke();
    }
  }
}
