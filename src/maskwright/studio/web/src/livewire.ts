// Live-wire: the cheapest path from an anchor to every place around it, along edges of the picture
// (Mortensen and Barrett, Intelligent scissors for image composition, 1995). Places are the corners of
// pixels, so that a path along an edge separates the same pixels as the edge does.

/** A part of a picture, RGBA. */
export interface Part { width: number; height: number; data: Uint8ClampedArray }

const MOST_COST = 32;
/** Lengths of a step to the side and of one across, as whole numbers with nearly their ratio. */
const SIDE = 5, ACROSS = 7;
const STEPS: readonly [number, number, number][] = [
  [1, 0, SIDE], [1, 1, ACROSS], [0, 1, SIDE], [-1, 1, ACROSS], [-1, 0, SIDE], [-1, -1, ACROSS], [0, -1, SIDE], [1, -1, ACROSS],
];
const BUCKETS = MOST_COST * ACROSS + 1;
const AT_ANCHOR = 255;
/** The share of corners whose gradient is below that of a clear edge. */
const CLEAR_SHARE = 0.98;

/** What each corner costs, 1 on a clear edge to 32 where the picture is even; (height + 1) rows of width + 1. */
export function findCosts(part: Part): Uint8Array<ArrayBuffer> {
  const gradients = findGradients(part);
  const clear = Float32Array.from(gradients).sort()[Math.floor(CLEAR_SHARE * (gradients.length - 1))];
  return Uint8Array.from(gradients, (gradient) => {
    const flat = clear > 0 ? Math.max(0, 1 - gradient / clear) : 1;
    return 1 + Math.round((MOST_COST - 1) * flat * flat);
  });
}

/** The largest gradient of the three colours at each corner, of the picture smoothed by 1-2-1. */
function findGradients({ width, height, data }: Part): Float32Array {
  const columns = width + 1, found = new Float32Array(columns * (height + 1));
  for (let channel = 0; channel < 3; channel++) {
    const smooth = smoothChannel(data, width, height, channel);
    for (let y = 0; y <= height; y++) {
      const above = Math.max(0, y - 1) * width, below = Math.min(height - 1, y) * width;
      for (let x = 0; x <= width; x++) {
        const left = Math.max(0, x - 1), right = Math.min(width - 1, x);
        const a = smooth[above + left], b = smooth[above + right], c = smooth[below + left], d = smooth[below + right];
        const gradient = Math.hypot(b + d - a - c, c + d - a - b), at = y * columns + x;
        if (gradient > found[at]) found[at] = gradient;
      }
    }
  }
  return found;
}

function smoothChannel(data: Uint8ClampedArray, width: number, height: number, channel: number): Float32Array {
  const rows = new Float32Array(width * height), both = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = (column: number) => data[4 * (y * width + Math.min(width - 1, Math.max(0, column))) + channel];
      rows[y * width + x] = (value(x - 1) + 2 * value(x) + value(x + 1)) / 4;
    }
  }
  for (let y = 0; y < height; y++) {
    const above = Math.max(0, y - 1) * width, here = y * width, below = Math.min(height - 1, y + 1) * width;
    for (let x = 0; x < width; x++) both[here + x] = (rows[above + x] + 2 * rows[here + x] + rows[below + x]) / 4;
  }
  return both;
}

/** For each corner, the step that leads towards the corner `start` on the cheapest path (Dijkstra, Dial's buckets). */
export function findWires(costs: Uint8Array, columns: number, start: number): Uint8Array<ArrayBuffer> {
  const rows = costs.length / columns, steps = new Uint8Array(costs.length).fill(AT_ANCHOR);
  const least = new Uint32Array(costs.length).fill(0xffffffff), ended = new Uint8Array(costs.length);
  const buckets: number[][] = Array.from({ length: BUCKETS }, () => []);
  buckets[0].push(start);
  least[start] = 0;
  for (let length = 0, open = 1; open > 0; length++) {
    const bucket = buckets[length % BUCKETS];
    while (bucket.length > 0) {
      const at = bucket.pop()!;
      open--;
      if (ended[at]) continue;
      ended[at] = 1;
      const x = at % columns, y = (at - x) / columns;
      for (let step = 0; step < 8; step++) {
        const [dx, dy, far] = STEPS[step];
        if (x + dx < 0 || x + dx >= columns || y + dy < 0 || y + dy >= rows) continue;
        const next = at + dy * columns + dx, sum = length + far * costs[next];
        if (sum >= least[next]) continue;
        least[next] = sum;
        steps[next] = step ^ 4;  // back to where this one came from
        buckets[sum % BUCKETS].push(next);
        open++;
      }
    }
  }
  return steps;
}

/** The corners x, y, x, y... from the anchor to a corner, without those in the middle of a straight piece. */
export function walkWire(steps: Uint8Array, columns: number, end: number): number[] {
  const points: number[] = [];
  let before = -1;
  for (let at = end; ;) {
    const step = steps[at], x = at % columns;
    if (step !== before) points.push((at - x) / columns, x);
    if (step === AT_ANCHOR) break;
    at += STEPS[step][1] * columns + STEPS[step][0];
    before = step;
  }
  return points.reverse();
}

/** The cheapest corner within `far` of one. */
export function findEdge(costs: Uint8Array, columns: number, x: number, y: number, far: number): [number, number] {
  const rows = costs.length / columns;
  let best: [number, number] = [x, y], least = Infinity;
  for (let cy = Math.max(0, y - far); cy <= Math.min(rows - 1, y + far); cy++) {
    for (let cx = Math.max(0, x - far); cx <= Math.min(columns - 1, x + far); cx++) {
      const away = Math.hypot(cx - x, cy - y), cost = costs[cy * columns + cx] + away / 2;
      if (away > far || cost >= least) continue;
      best = [cx, cy];
      least = cost;
    }
  }
  return best;
}
