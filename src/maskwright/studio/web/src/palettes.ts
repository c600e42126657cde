// Colours of classes on the screen; class maps have none.

import type { ClassDef } from "./api";
import { IGNORE } from "./raster";

export type PaletteName = "own" | "safe" | "bright";
type Rgb = [number, number, number];

// Okabe and Ito, Color Universal Design, 2008; black is left out, since pictures are dark too.
const SAFE: Rgb[] = [
  [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
];
const DOT: Rgb = [150, 150, 150];
const GOLDEN_ANGLE = 137.508;

export function listColors(classes: ClassDef[], name: PaletteName): Rgb[] {
  return classes.map((entry, index) => {
    if (name === "own") return entry.color;
    if (name === "bright") return fromHue((index * GOLDEN_ANGLE) % 360, index % 2 ? 0.62 : 0.5);
    const [r, g, b] = SAFE[index % SAFE.length];
    const darker = 0.72 ** Math.floor(index / SAFE.length);
    return [r * darker, g * darker, b * darker].map(Math.round) as Rgb;
  });
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
