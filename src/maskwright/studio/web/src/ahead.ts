// Images beside the open one, fetched while a person works on it.

import { contents, readEdits, readItem, type Item, type ItemRow, type LoggedEdit } from "./api";

/** Tiles of one image that are fetched ahead: 16 MB of pixels. */
const MOST_TILES = 256;

export interface Opened { item: Item; edits: LoggedEdit[] }

async function readOpened(id: number): Promise<Opened> {
  const [item, edits] = await Promise.all([readItem(id), readEdits(id)]);
  return { item, edits };
}

export class Ahead {
  private opened = new Map<number, Opened>();
  /** What is on its way. */
  private coming = new Map<number, Promise<Opened>>();

  /** Have some images ready, in this order, while `isWanted`; `fetchPicture` is called for each. */
  async fetch(ids: number[], isWanted: () => boolean, fetchPicture: (item: Item) => void): Promise<void> {
    this.opened.clear();
    for (const id of ids) {
      const coming = readOpened(id);
      this.coming.set(id, coming);
      const opened = await coming.finally(() => this.coming.delete(id));
      if (!isWanted()) return;
      this.opened.set(id, opened);
      fetchPicture(opened.item);
      const { tiles } = opened.item;
      if (tiles.length <= MOST_TILES) await contents.read(tiles.map(([, , sha]) => sha), () => undefined);
      if (!isWanted()) return;
    }
  }

  /** An image: what is on its way is not asked for again, since the server would open it twice. */
  async read(id: number): Promise<Opened> {
    return await this.coming.get(id)?.catch(() => null) ?? readOpened(id);
  }

  /** An image that was fetched ahead, if it still is what the list says of it; it is given once. */
  take(row: ItemRow | undefined): Opened | null {
    const opened = row && this.opened.get(row.id);
    if (!opened || opened.item.rev !== row.rev || opened.item.state !== row.state) return null;
    this.opened.delete(row.id);
    return opened;
  }
}
