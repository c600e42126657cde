// Edits that the server has refused: which of them to do again, and as a file for safe keeping.

import { save } from "./files";
import type { Pending } from "./outbox";

/** The edits without those that were undone among themselves, in their order. */
export function dropUndone(left: Pending[]): Pending[] {
  const roots = new Map<number, Pending>();
  const live = new Set<Pending>();
  for (const pending of left) {
    const { undoes } = pending.header;
    const root = (undoes === null ? undefined : roots.get(undoes)) ?? pending;
    if (!live.delete(root)) live.add(root);
    roots.set(pending.rev + 1, root);
  }
  return left.filter((pending) => live.has(pending));
}

/** Let the browser save edits as a file, each as `POST /api/items/N/edits` takes it. */
export function saveAsFile(key: string, left: Pending[]): void {
  const edits = left.map(({ rev, header }) => {
    const { ms: _, tiles: __, ...edit } = header;
    return { rev, ...edit };
  });
  const content = new Blob([JSON.stringify({ image: key, edits }, null, 1)], { type: "application/json" });
  save(`edits-${key.replace(/[^\w.-]+/g, "_")}.json`, content);
}
