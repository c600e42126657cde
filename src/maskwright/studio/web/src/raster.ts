// Regions of edits as spans of pixels; `studio/raster.py` computes the same pixels with NumPy.
// Coordinates are whole eighths of a pixel, so that all comparisons below are exact.

export const EIGHTHS = 8;
export const IGNORE = 255;
const HALF = EIGHTHS / 2;

export interface Stroke { kind: "stroke"; radius: number; points: number[] }
export interface Polygon { kind: "polygon"; rings: number[][] }
export interface Flood { kind: "flood"; at: [number, number] }
export interface Everything { kind: "all" }
/** A click at a pixel, or a box from `at` to `to`. */
export interface Prompt { at: [number, number]; to?: [number, number]; is_inside?: boolean }
export interface Part { left: number; top: number; width: number; height: number }
export interface Prompted { kind: "prompted"; prompts: Prompt[]; part: Part | null }
export type ProposalSource = "model" | "flow" | "interpolation";
export type Drawable = Stroke | Polygon;
/** What the server alone draws: it sees the whole class map, the picture, and what a model predicts. */
export type Asked = Flood | Everything
  | { kind: "wand"; at: [number, number]; tolerance: number; connected: boolean }
  | { kind: "cells"; level: number; points: number[] }
  | { kind: "holes" | "specks"; most_px: number }
  | { kind: "grow" | "shrink"; px: number }
  | Prompted
  | { kind: "proposal"; source: ProposalSource; least_confidence: number; classes: number[] | null; at: [number, number] | null };
export type Geometry = Drawable | Asked;
export type Mode = "overwrite" | "keep" | "erase";

/** Pixels left..right - 1 of a row. */
export type Emit = (row: number, left: number, right: number) => void;

/** The value that each of 256 values becomes. */
export function makeTable(value: number, mode: Mode, only: number[] | null): Uint8Array {
  const table = Uint8Array.from({ length: 256 }, (_, old) => old);
  for (let old = 0; old < 256; old++) {
    const changes = (mode !== "keep" || old === IGNORE) && (only === null || only.includes(old));
    if (changes) table[old] = mode === "erase" ? IGNORE : value;
  }
  return table;
}

export function emitSpans(shape: Drawable, height: number, width: number, emit: Emit): void {
  if (shape.kind === "polygon") {
    fillRings(shape.rings, height, width, emit);
    return;
  }
  const { points, radius } = shape;
  for (let i = 0; i + 1 < points.length; i += 2) {
    const last = i + 3 >= points.length;
    if (last && i > 0) break;
    const end = last ? i : i + 2;
    fillSegment(points[i], points[i + 1], points[end], points[end + 1], radius, height, width, emit);
  }
}

/** All pixels whose centre is at most `radius` away from the line x0, y0 to x1, y1. */
export function fillSegment(
  x0: number, y0: number, x1: number, y1: number, radius: number,
  height: number, width: number, emit: Emit,
): void {
  const dx = x1 - x0, dy = y1 - y0, most = radius * radius, length = dx * dx + dy * dy;
  const isInside = (column: number, row: number): boolean => {
    const x = column * EIGHTHS + HALF - x0, y = row * EIGHTHS + HALF - y0;
    const along = x * dx + y * dy;
    if (along <= 0) return x * x + y * y <= most;
    if (along >= length) return (x - dx) * (x - dx) + (y - dy) * (y - dy) <= most;
    const cross = x * dy - y * dx;
    return cross * cross <= most * length;
  };
  const top = Math.max(0, Math.floor((Math.min(y0, y1) - radius) / EIGHTHS));
  const bottom = Math.min(height, Math.ceil((Math.max(y0, y1) + radius) / EIGHTHS));
  for (let row = top; row < bottom; row++) {
    // The region is convex: a guess of its ends, one pixel too far, is moved in until it fits.
    const ends = guessEnds(row * EIGHTHS + HALF - y0, dx, dy, radius, length);
    if (ends === null) continue;
    let left = Math.max(0, Math.floor((ends[0] + x0 - HALF) / EIGHTHS) - 1);
    let right = Math.min(width - 1, Math.ceil((ends[1] + x0 - HALF) / EIGHTHS) + 1);
    while (left <= right && !isInside(left, row)) left++;
    while (right >= left && !isInside(right, row)) right--;
    if (left <= right) emit(row, left, right + 1);
  }
}

function guessEnds(
  y: number, dx: number, dy: number, radius: number, length: number,
): [number, number] | null {
  let low = Infinity, high = -Infinity;
  for (const [cx, cy] of [[0, 0], [dx, dy]]) {
    const rest = radius * radius - (y - cy) * (y - cy);
    if (rest < 0) continue;
    const half = Math.sqrt(rest);
    low = Math.min(low, cx - half);
    high = Math.max(high, cx + half);
  }
  if (length > 0) {
    const reach = radius * Math.sqrt(length);
    let [from, to] = between(y * dx - reach, y * dx + reach, dy);
    const [start, end] = between(-y * dy, length - y * dy, dx);
    from = Math.max(from, start);
    to = Math.min(to, end);
    if (from <= to) {
      low = Math.min(low, from);
      high = Math.max(high, to);
    }
  }
  return low <= high ? [low, high] : null;
}

/** The x with one <= x * factor <= other. */
function between(one: number, other: number, factor: number): [number, number] {
  if (factor === 0) return one <= 0 && other >= 0 ? [-Infinity, Infinity] : [Infinity, -Infinity];
  return factor > 0 ? [one / factor, other / factor] : [other / factor, one / factor];
}

/** Even-odd rule at pixel centres: rule `center` of `data/shapes/raster.py`. */
function fillRings(rings: number[][], height: number, width: number, emit: Emit): void {
  const rows = new Map<number, number[]>();
  const clip = (v: number, most: number) => Math.min(most, Math.max(0, v));
  for (const ring of rings) {
    const num = Math.floor(ring.length / 2);
    for (let i = 0; i < num; i++) {
      const j = (i + 1) % num;
      const sx = ring[2 * i] / EIGHTHS, sy = ring[2 * i + 1] / EIGHTHS;
      const ex = ring[2 * j] / EIGHTHS, ey = ring[2 * j + 1] / EIGHTHS;
      const first = clip(Math.ceil(Math.min(sy, ey) - 0.5), height);
      const last = clip(Math.ceil(Math.max(sy, ey) - 0.5), height);
      const rise = (ex - sx) / (ey - sy);
      for (let row = first; row < last; row++) {
        const x = sx + (row + 0.5 - sy) * rise;
        const column = clip(Math.ceil(x - 0.5), width);
        const crossings = rows.get(row);
        if (crossings) crossings.push(column);
        else rows.set(row, [column]);
      }
    }
  }
  for (const [row, crossings] of rows) {
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      if (crossings[i] < crossings[i + 1]) emit(row, crossings[i], crossings[i + 1]);
    }
  }
}
