// Tools: what pointer and pen keys do. A tool gets places in pixels of the image.

import type { Cells } from "./cells";
import type { Brush, Doc } from "./document";
import { Outline } from "./outline";
import { EIGHTHS, fillSegment, IGNORE, type Asked, type Mode, type ProposalSource } from "./raster";
import type { Prompting } from "./prompting";
import { Scissors } from "./scissors";
import type { TileMap } from "./tilemap";

const SNAP_SCREEN_PX = 10, MOST_SNAP_PX = 32;
/** Pixels of the screen by which the wand is dragged for one step of its tolerance. */
const DRAG_PX = 4;

export type ToolName = "brush" | "eraser" | "polygon" | "scissors" | "line" | "flood" | "wand" | "cells" | "proposal" | "object" | "replace" | "ruler" | "comment" | "move";

/** What is painted over: all, unlabelled pixels, or also the classes above the chosen one in the list. */
export type Over = "overwrite" | "keep" | "priority";

export interface Settings {
  tool: ToolName;
  value: number;
  over: Over;
  diameter: number;
  /** Corners of polygons go to borders of labels that are near. */
  snaps: boolean;
  locked: Set<number>;
  /** Distance of colours that the wand takes, in CIELAB; dragging changes it. */
  tolerance: number;
  connected: boolean;
  /** Size of superpixels, 0 to 2. */
  level: number;
  /** Who proposes labels. */
  source: ProposalSource;
  /** Of the proposals that are shown and accepted, in percent. */
  confidence: number;
}

/** A pen of odd width sits on pixel centres, one of even width on their corners. */
function snap(v: number, diameter: number): number {
  return diameter % 2 === 1 ? EIGHTHS * Math.floor(v) + EIGHTHS / 2 : EIGHTHS * Math.round(v);
}

/** The corner of pixels nearest to a place at which labels differ, within `far` pixels; null where there is none. */
export function findBorder(map: TileMap, x: number, y: number, far: number): [number, number] | null {
  let best: [number, number] | null = null, nearest = far = Math.min(far, MOST_SNAP_PX);
  for (let cy = Math.max(1, Math.ceil(y - far)); cy <= Math.min(map.height - 1, y + far); cy++) {
    for (let cx = Math.max(1, Math.ceil(x - far)); cx <= Math.min(map.width - 1, x + far); cx++) {
      const away = Math.hypot(cx - x, cy - y), value = map.value(cx, cy);
      if (away > nearest || (value === map.value(cx - 1, cy) && value === map.value(cx, cy - 1) && value === map.value(cx - 1, cy - 1))) continue;
      best = [cx, cy];
      nearest = away;
    }
  }
  return best;
}

export class Tools {
  doc: Doc | null = null;
  private points: number[] = [];
  private stroke: Brush | null = null;
  private readonly outline = new Outline();
  private readonly scissors: Scissors;
  /** The pixel whose colour the wand takes; the pointer is down. */
  private wand: { at: [number, number]; from: number; tolerance: number } | null = null;
  /** The ends of the ruler, and whether it is drawn. */
  private ruler: { from: [number, number]; to: [number, number]; open: boolean } | null = null;
  /** Screen pixels for one pixel of the image. */
  private zoom = 1;
  /** Where the pen is, in pixels of the image. */
  pen: [number, number] = [0, 0];

  constructor(private readonly settings: Settings, readonly prompting: Prompting, private readonly cells: Cells, private readonly comment: (x: number, y: number) => void, redraw: () => void) {
    this.scissors = new Scissors((x, y) => { this.outline.moveFirst(x, y); redraw(); });
  }

  /** The pen is down. */
  get draws(): boolean { return this.stroke !== null || this.wand !== null || this.cells.isDrawn || this.prompting.isDrawn; }

  brush(tool: string, over: Over | Mode = this.settings.over, only: number[] | null = null): Brush {
    const { locked, value } = this.settings, all = Array.from({ length: 256 }, (_, old) => old);
    const covered = over === "priority" ? all.filter((old) => old <= value || old === IGNORE) : null;
    const allowed = only ?? covered ?? (locked.size > 0 ? all : null);
    const mode = over === "priority" ? "overwrite" : over;
    return { tool, value, mode, only: allowed?.filter((old) => !locked.has(old)) ?? null };
  }

  press(x: number, y: number, isOutside = false): void {
    this.pen = [x, y];
    const { doc } = this;
    const { tool } = this.settings;
    if (tool === "ruler") this.pressRuler(x, y);
    if (tool === "comment" && doc?.map.holds(x, y)) this.comment(x, y);
    if (!doc?.canPaint) return;
    if (tool === "brush" || tool === "eraser") this.beginStroke(doc, x, y);
    else if (tool === "polygon" || tool === "line") this.addCorner(x, y);
    else if (tool === "scissors") this.addWire(doc, x, y);
    else if (tool === "wand" && doc.map.holds(x, y)) this.wand = { at: [Math.floor(x), Math.floor(y)], from: x, tolerance: this.settings.tolerance };
    else if (tool === "cells") this.cells.press(x, y);
    else if (tool === "object" && doc.map.holds(x, y)) this.prompting.press(x, y, !isOutside);
    else if (tool === "proposal" && doc.map.holds(x, y)) this.accept([Math.floor(x), Math.floor(y)], null);
    else if (tool === "flood" || tool === "replace") this.fillHere(doc);
  }

  move(x: number, y: number): void {
    this.pen = [x, y];
    if (this.ruler?.open) this.ruler.to = [x, y];
    if (this.stroke && this.doc) this.extend(this.doc, x, y);
    if (this.wand) this.wand.tolerance = Math.min(200, Math.max(0, Math.round(this.settings.tolerance + (x - this.wand.from) * this.zoom / DRAG_PX)));
    this.cells.move(x, y);
  }

  lift(): void {
    if (this.ruler?.open && this.ruler.to !== this.ruler.from) this.ruler.open = false;
    this.askServer();
    this.prompting.lift(...this.pen);
    if (!this.stroke || !this.doc) return;
    this.doc.end(this.stroke, { kind: "stroke", radius: this.settings.diameter * EIGHTHS / 2, points: this.points });
    this.stroke = null;
  }

  private askServer(): void {
    const wanted = this.wand && this.planned, path = this.cells.lift(), { doc } = this;
    this.wand = null;
    if (!doc?.canPaint) return;
    if (wanted) doc.fill(...wanted);
    if (path) doc.fill(this.brush("superpixel"), { kind: "cells", level: this.settings.level, points: path });
  }

  /** What wand, fill or swap would do where the pen is; null with other tools, and outside. */
  get planned(): [Brush, Asked] | null {
    const { doc, wand } = this, { tool, tolerance, connected } = this.settings;
    const at = wand?.at ?? this.pen.map(Math.floor) as [number, number];
    if (!doc?.canPaint || !doc.map.holds(...at)) return null;
    if (tool === "wand") return [this.brush(tool), { kind: "wand", at, tolerance: wand?.tolerance ?? tolerance, connected }];
    if (tool === "flood") return [this.brush(tool), { kind: "flood", at }];
    if (tool === "replace") return [this.brush(tool, "overwrite", [doc.map.value(...at)]), { kind: "all" }];
    return null;
  }

  /** Accept what the model proposes: the region at a pixel, some classes, or all. */
  accept(at: [number, number] | null, classes: number[] | null): void {
    const { source, confidence, over } = this.settings, least_confidence = confidence / 100;
    // Each pixel has its own class: those above the chosen one are not those above it.
    const brush = this.brush("proposal", over === "priority" ? "keep" : over);
    if (this.doc?.canPaint) this.doc.fill(brush, { kind: "proposal", source, least_confidence, classes, at });
  }

  /** How the chosen class is repaired in the whole image. */
  planRepair(kind: "holes" | "specks" | "grow" | "shrink", px: number): [Brush, Asked] {
    return [this.brush(kind), kind === "holes" || kind === "specks" ? { kind, most_px: px } : { kind, px: Math.min(px, 100) }];
  }

  repair(...planned: [Brush, Asked]): void {
    if (this.doc?.canPaint) this.doc.fill(...planned);
  }

  /** Take back the last corner, or the whole stroke that is being drawn; false where there is none. */
  stepBack(): boolean {
    if (this.stroke) {
      this.doc?.cancel();
      this.stroke = null;
      return true;
    }
    if (this.wand || this.cells.isDrawn) {
      this.wand = null;
      this.cells.cancel();
      return true;
    }
    if (this.prompting.stepBack()) return true;
    const steps = this.outline.stepBack();
    if (steps && this.settings.tool === "scissors") this.anchorScissors();
    return steps;
  }

  cancel(): void {
    this.ruler = this.wand = null;
    this.cells.cancel();
    if (this.stroke) this.stepBack();
    this.outline.clear();
    this.prompting.clear();
    this.scissors.forget();
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

  private addCorner(x: number, y: number): void {
    const [cx, cy] = this.findCorner(x, y);
    this.outline.add([Math.round(cx * EIGHTHS), Math.round(cy * EIGHTHS)]);
  }

  /** Go along edges to a place, which is the next anchor. */
  private addWire(doc: Doc, x: number, y: number): void {
    const isFirst = this.outline.last === null || this.outline.numSteps === 0;
    this.outline.add(isFirst ? [Math.round(x) * EIGHTHS, Math.round(y) * EIGHTHS] : this.scissors.path(x, y));
    this.anchorScissors(doc, isFirst);
  }

  private anchorScissors(doc = this.doc, isFirst = false): void {
    const { last } = this.outline;
    if (last && doc) this.scissors.anchor(doc.item, this.zoom, last[0] / EIGHTHS, last[1] / EIGHTHS, isFirst);
    else this.scissors.forget();
  }

  /** Go along edges from the last anchor to the first one. */
  private closeWire(): void {
    const { first } = this.outline;
    if (this.settings.tool !== "scissors" || !first || this.outline.numSteps < 2) return;
    this.outline.add(this.scissors.path(first[0] / EIGHTHS, first[1] / EIGHTHS, false));
    this.scissors.forget();
  }

  /** Where a corner of a polygon would be set: on a border of labels, where one is near. */
  private findCorner(x: number, y: number): [number, number] {
    const { doc } = this;
    return this.settings.snaps && doc ? findBorder(doc.map, x, y, SNAP_SCREEN_PX / this.zoom) ?? [x, y] : [x, y];
  }

  private pressRuler(x: number, y: number): void {
    if (this.ruler?.open) this.ruler.open = false;
    else this.ruler = { from: [x, y], to: [x, y], open: true };
  }

  /** What the ruler shows; empty where it is not used. */
  get length(): string {
    if (this.wand) return `colours within ${this.wand.tolerance}`;
    if (!this.ruler || this.settings.tool !== "ruler") return "";
    const { from, to } = this.ruler, dx = Math.abs(to[0] - from[0]), dy = Math.abs(to[1] - from[1]);
    return `${Math.hypot(dx, dy).toFixed(1)} px (${dx.toFixed(1)} x ${dy.toFixed(1)})`;
  }

  /** Begin another ring: a hole where it lies inside. */
  nextRing(): void {
    this.closeWire();
    this.outline.nextRing();
  }

  closePolygon(): void {
    const { tool } = this.settings;
    if (tool === "line") return this.endLine();
    if (tool === "object") return this.acceptObject();
    if (tool === "proposal") return this.accept(null, null);
    this.closeWire();
    const rings = this.outline.take().filter((ring) => ring.length >= 6);
    if (rings.length > 0 && this.doc?.canPaint) this.doc.draw(this.brush(tool), { kind: "polygon", rings });
  }

  /** Paint the object that clicks and boxes mean. */
  private acceptObject(): void {
    if (this.prompting.isEmpty || !this.doc?.canPaint) return;
    this.doc.fill(this.brush("object"), this.prompting.geometry);
    this.prompting.clear();
  }

  /** Draw the line through the corners, as wide as the brush. */
  private endLine(): void {
    const points = this.outline.take().flat();
    if (points.length >= 2 && this.doc?.canPaint) {
      this.doc.draw(this.brush("line"), { kind: "stroke", radius: this.settings.diameter * EIGHTHS / 2, points });
    }
  }

  private fillHere(doc: Doc): void {
    const { planned } = this;
    if (planned) doc.fill(...planned);
  }

  fillUnlabelled(): void {
    if (this.doc?.canPaint) this.doc.fill(this.brush("fill", "keep"), { kind: "all" });
  }

  drawOverlay(context: CanvasRenderingContext2D, scale: number): void {
    const { tool, diameter } = this.settings;
    this.zoom = scale / devicePixelRatio;
    const [x, y] = tool === "polygon" || tool === "line" ? this.findCorner(...this.pen) : this.pen, line = 1 / scale;
    const tail = tool === "scissors" ? this.scissors.path(x, y) : [x * EIGHTHS, y * EIGHTHS];
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
      if (tool === "ruler" && this.ruler) {
        context.moveTo(...this.ruler.from);
        context.lineTo(...this.ruler.to);
      }
      this.outline.trace(context, tail);
      const box = this.prompting.box(x, y);
      if (box) context.rect(box[0], box[1], box[2] - box[0], box[3] - box[1]);
      context.stroke();
    }
  }
}
