// How edits and tiles travel: see `studio/protocol.py`.

import type { Geometry, Mode } from "./raster";
import type { Pixels } from "./tilemap";

export type Sha = string;
/** Column, row, hash. */
export type TileRow = [number, number, Sha];

export interface EditHeader {
  tool: string;
  value: number;
  mode: Mode;
  only: number[] | null;
  geometry: Geometry | null;
  undoes: number | null;
  tiles: { at: [number, number]; before: Sha; after: Sha; size: number }[] | null;
  ms: number;
}

const hashes = new WeakMap<Pixels, Promise<Sha>>();

/** The SHA-256 of the pixels; remembered, since the pixels of a tile never change. */
export function hashTile(pixels: Pixels): Promise<Sha> {
  let sha = hashes.get(pixels);
  if (!sha) {
    sha = crypto.subtle.digest("SHA-256", pixels).then(toHex);
    hashes.set(pixels, sha);
  }
  return sha;
}

export function rememberHash(pixels: Pixels, sha: Sha): void {
  hashes.set(pixels, Promise.resolve(sha));
}

function toHex(digest: ArrayBuffer): Sha {
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Without a Blob, whose bytes would go through the process of the browser and back. */
async function pipe(bytes: Pixels, { readable, writable }: GenericTransformStream): Promise<Pixels> {
  const writer = writable.getWriter();
  Promise.all([writer.write(bytes), writer.close()]).catch(() => undefined); // who reads is told
  return new Uint8Array(await new Response(readable).arrayBuffer());
}

export const inflate = (bytes: Pixels) => pipe(bytes, new DecompressionStream("deflate"));

/** The compressed XOR of two tiles. */
export function makePatch(before: Pixels, after: Pixels): Promise<Pixels> {
  // Four pixels at a time: an edit of a 4K image may have a hundred tiles.
  const patch = new Uint32Array(before.length / 4);
  const [one, other] = [before, after].map(({ buffer, byteOffset }) => new Uint32Array(buffer, byteOffset, patch.length));
  for (let i = 0; i < patch.length; i++) patch[i] = one[i] ^ other[i];
  return pipe(new Uint8Array(patch.buffer), new CompressionStream("deflate"));
}

export function encodeEdit(header: EditHeader, patches: Pixels[]): Pixels {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const size = patches.reduce((sum, patch) => sum + patch.length, 4 + json.length);
  const body = new Uint8Array(size);
  new DataView(body.buffer).setUint32(0, json.length, true);
  body.set(json, 4);
  let start = 4 + json.length;
  for (const patch of patches) {
    body.set(patch, start);
    start += patch.length;
  }
  return body;
}

export function splitBlobs(bytes: Pixels): Pixels[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const blobs: Pixels[] = [];
  for (let start = 0; start < bytes.length;) {
    const length = view.getUint32(start, true);
    blobs.push(bytes.subarray(start + 4, start + 4 + length));
    start += 4 + length;
  }
  return blobs;
}
