// Colours of classes on the screen; class maps have none.

import type { ClassDef } from "./api";
import { measureLeast, seeColor } from "./contrast";
import { IGNORE } from "./raster";

export type PaletteName = "own" | "safe" | "bright";
export type Rgb = [number, number, number];

// Okabe and Ito, Color Universal Design, 2008; black is left out, since pictures are dark too.
const SAFE: Rgb[] = [
  [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
];
const DOT: Rgb = [150, 150, 150];
const LEVELS = [0, 51, 102, 153, 204, 255];
/** In Oklab; what is darker is lost in dark parts of pictures. */
const LEAST_LIGHTNESS = 0.4;
const GOLDEN_ANGLE = 137.508;

export function listColors(classes: ClassDef[], name: PaletteName): Rgb[] {
  if (name === "own") return classes.map(({ color }) => color);
  if (name === "bright") return classes.map((_, index) => fromHue((index * GOLDEN_ANGLE) % 360, index % 2 ? 0.62 : 0.5));
  return addFarthest(SAFE, classes.length);
}

/** Add colours to some until there are `num`: each time that which is farthest from all others to colour-blind people, too. */
function addFarthest(first: Rgb[], num: number): Rgb[] {
  const chosen = first.slice(0, num);
  if (chosen.length === num) return chosen;
  const free = LEVELS.flatMap((r) => LEVELS.flatMap((g) => LEVELS.map((b) => ({ color: [r, g, b] as Rgb, seen: seeColor([r, g, b]), away: Infinity }))))
    .filter(({ seen }) => seen[0][0] >= LEAST_LIGHTNESS);
  const moveAway = (color: Rgb) => {
    const seen = seeColor(color);
    for (const one of free) one.away = Math.min(one.away, measureLeast(one.seen, seen));
  };
  chosen.forEach(moveAway);
  while (chosen.length < num) {
    const { color } = free.reduce((best, one) => (one.away > best.away ? one : best));
    chosen.push(color);
    moveAway(color);
  }
  return chosen;
}

/** 256 colours as RGBA in the order of bytes of a canvas. */
export function makePalette(colors: Rgb[], hidden: Set<number>): Uint32Array {
  const bytes = new Uint8Array(256 * 4);
  colors.forEach((color, index) => bytes.set([...color, hidden.has(index) ? 0 : 255], 4 * index));
  bytes.set([...DOT, hidden.has(IGNORE) ? 0 : 255], 4 * IGNORE);
  return new Uint32Array(bytes.buffer);
}

function fromHue(hue: number, lightness: number): Rgb {
  const part = (n: number) => {
    const k = (n + hue / 30) % 12;
    const a = 0.85 * Math.min(lightness, 1 - lightness);
    return Math.round(255 * (lightness - a * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [part(0), part(8), part(4)];
}
