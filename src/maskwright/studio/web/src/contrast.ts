// How well the colours of classes are told apart: distances in Oklab (Ottosson 2020), times 100, as
// people see them with all colours and without one kind of cones (Machado, Oliveira and Fernandes 2009).

import type { Rgb } from "./palettes";

export interface Pair { one: number; other: number; all: number; blind: number }

/** Linear RGB as it is seen without red, green or blue cones; row by row. */
const WITHOUT_CONES = [
  [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
  [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.01182, 0.04294, 0.968881],
  [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.3039],
];
const TO_CONES = [0.4122214708, 0.5363325363, 0.0514459929, 0.2119034982, 0.6806995451, 0.1073969566, 0.0883024619, 0.2817188376, 0.6299787005];
const TO_OKLAB = [0.2104542553, 0.793617785, -0.0040720468, 1.9779984951, -2.428592205, 0.4505937099, 0.0259040371, 0.7827717662, -0.808675766];

function multiply(matrix: number[], [a, b, c]: number[]): number[] {
  return [0, 3, 6].map((row) => matrix[row] * a + matrix[row + 1] * b + matrix[row + 2] * c);
}

function linearize(color: Rgb): number[] {
  return color.map((v) => (v <= 10.31475 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
}

const toOklab = (linear: number[]): number[] => multiply(TO_OKLAB, multiply(TO_CONES, linear).map(Math.cbrt));
const clip = (values: number[]): number[] => values.map((v) => Math.min(1, Math.max(0, v)));

/** A colour in Oklab as people with all cones see it, and as those without one kind of them do. */
export function seeColor(color: Rgb): number[][] {
  const linear = linearize(color);
  return [toOklab(linear), ...WITHOUT_CONES.map((matrix) => toOklab(clip(multiply(matrix, linear))))];
}

const measure = (one: number[], other: number[]): number => 100 * Math.hypot(one[0] - other[0], one[1] - other[1], one[2] - other[2]);

/** The least distance of two colours to any of these people. */
export const measureLeast = (one: number[][], other: number[][]): number => Math.min(...one.map((place, i) => measure(place, other[i])));

/** All pairs of colours, those that are hardest to tell apart first; `blind` is the least without one kind of cones. */
export function comparePairs(colors: Rgb[]): Pair[] {
  const seen = colors.map(seeColor);
  const pairs = seen.flatMap((first, one) => seen.slice(one + 1).map((second, i): Pair => (
    { one, other: one + 1 + i, all: measure(first[0], second[0]), blind: measureLeast(first.slice(1), second.slice(1)) })));
  return pairs.sort((a, b) => a.all - b.all);
}
