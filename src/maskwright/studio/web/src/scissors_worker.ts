// The work of the scissors beside the page: it reads a part of the picture and finds all paths to an anchor.

import { findCosts, findEdge, findWires, type Part } from "./livewire";
import { PICTURE_PX, pictureUrl } from "./picture";

/** A part of a level of the picture, the anchor in corners of this part, and of the page its address and the values that it shows: a worker has its own. */
export interface Question { number: number; item: number; level: number; left: number; top: number; width: number; height: number; at: [number, number]; snap_px: number; page: string; values: string }
export interface Wires { number: number; at: [number, number]; costs: Uint8Array<ArrayBuffer>; steps: Uint8Array<ArrayBuffer> }

async function readPart({ item, level, left, top, width, height, page, values }: Question): Promise<Part> {
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true })!;
  const last = (from: number, size: number) => Math.floor((from + size - 1) / PICTURE_PX), asked: Promise<void>[] = [];
  for (let row = Math.floor(top / PICTURE_PX); row <= last(top, height); row++) {
    for (let column = Math.floor(left / PICTURE_PX); column <= last(left, width); column++) {
      asked.push(fetch(new URL(pictureUrl(item, level, column, row, values), page)).then((answer) => answer.blob()).then(createImageBitmap).then((tile) => {
        context.drawImage(tile, column * PICTURE_PX - left, row * PICTURE_PX - top);
      }));
    }
  }
  await Promise.all(asked);
  return context.getImageData(0, 0, width, height);
}

onmessage = async ({ data: question }: MessageEvent<Question>) => {
  const columns = question.width + 1, costs = findCosts(await readPart(question));
  const at = findEdge(costs, columns, ...question.at, question.snap_px);
  const steps = findWires(costs, columns, at[1] * columns + at[0]);
  const answer: Wires = { number: question.number, at, costs, steps };
  postMessage(answer, { transfer: [costs.buffer, steps.buffer] });
};
