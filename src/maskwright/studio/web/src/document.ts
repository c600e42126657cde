// One open image: its class map, its edits, undo and redo.

import type { Opened } from "./ahead";
import { client, contents, EDITABLE, readEdits, type EditResult, type Item, type LoggedEdit, type State } from "./api";
import type { Outbox, Pending } from "./outbox";
import { emitSpans, makeTable, type Asked, type Drawable, type Geometry, type Mode } from "./raster";
import { TileMap, type Pixels, type TileChange } from "./tilemap";
import { encodeEdit, hashTile, makePatch, type EditHeader, type Sha, type TileRow } from "./wire";

/** As the server takes them with one edit; more are drawn by the server. */
const MOST_TILES = 400;
/** Tiles whose patches are made in one piece of work. */
const PATCHED = 16;

export interface Brush { tool: string; value: number; mode: Mode; only: number[] | null }

/** Tiles of an edit: the place, and their hashes before and after. */
interface Done { seq: number; tiles: { at: number; before: Sha | Promise<Sha>; after: Sha | Promise<Sha> }[] }

export class Doc {
  readonly map: TileMap;
  state: State;
  /** The revision that the server will have when all edits have arrived. */
  private rev: number;
  private undone: Done[] = [];
  private done: Done[] = [];
  private started_ms = 0;
  /** The number of the kept edit that the next one replaces. */
  private replaces: number | undefined;
  private table: Uint8Array = new Uint8Array(256);
  private tail: Promise<void> = Promise.resolve();
  reviewer: string | null;
  /** Whether this page has the lease. */
  writable = false;
  /** The server has refused an edit: what is shown is not what it has. */
  refused = false;
  /** Edits whose result is not shown yet; until it is, nothing is painted over it. */
  private waits = 0;

  readonly item: Item;

  /** `changed` is called for each tile that is shown. */
  constructor({ item, edits }: Opened, private readonly me: string, private readonly outbox: Outbox, private readonly changed: () => void) {
    this.item = item;
    this.map = new TileMap(...item.size_HW);
    this.state = item.state;
    this.rev = item.rev;
    this.reviewer = item.reviewer;
    for (const edit of edits) if (edit.seq <= item.rev) this.remember(edit);
  }

  get revision(): number { return this.rev; }
  /** What was painted is shown, or was refused. */
  get isSettled(): boolean { return this.waits === 0 || this.refused; }
  get canPaint(): boolean { return this.writable && !this.refused && this.waits === 0 && this.isOpen; }
  /** Whether the image is in a state in which this person paints. */
  get isOpen(): boolean { return EDITABLE.includes(this.state) || (this.state === "in_review" && this.reviewer === this.me); }

  /** Load all tiles. */
  async load(): Promise<void> {
    await this.show(this.item.tiles);
  }

  private async show(rows: TileRow[]): Promise<void> {
    const places = new Map<Sha, number[]>();
    for (const [column, row, sha] of rows) {
      const at = this.map.at(column, row);
      const known = places.get(sha);
      if (known) known.push(at);
      else places.set(sha, [at]);
    }
    await contents.read([...places.keys()], (sha, pixels) => {
      for (const at of places.get(sha)!) this.map.set(at, pixels);
      this.changed();
    });
  }

  private remember(edit: LoggedEdit): void {
    const tiles = edit.tiles.map(([column, row, before, after]) => ({ at: this.map.at(column, row), before, after }));
    const entry = { seq: edit.seq, tiles };
    if (edit.undoes === undefined) {
      this.done.push(entry);
      this.undone = [];
    } else if (edit.undoes === this.done.at(-1)?.seq) {
      this.done.pop();
      this.undone.push(entry);
    } else {
      this.undone.pop();
      this.done.push(entry);
    }
  }

  begin(brush: Brush): void {
    this.started_ms = performance.now();
    this.table = makeTable(brush.value, brush.mode, brush.only);
  }

  paint(row: number, left: number, right: number): void {
    this.map.paint(row, left, right, this.table);
  }

  cancel(): void {
    this.map.cancel();
    this.changed();
  }

  /** End a painted edit: it is on its way when this returns. */
  end(brush: Brush, geometry: Drawable): void {
    const ms = Math.round(performance.now() - this.started_ms);
    const onServer = this.map.missing.size > 0;
    const changes = this.map.commit();
    const header = { ...brush, geometry, undoes: null, tiles: null, ms };
    if (onServer || changes.length > MOST_TILES) {
      for (const { at, before } of changes) this.map.set(at, before);
      this.ask(header);
    } else if (changes.length > 0) {
      this.push(header, changes);
    }
  }

  /** Paint a whole shape at once. */
  draw(brush: Brush, geometry: Drawable): void {
    this.begin(brush);
    emitSpans(geometry, this.map.height, this.map.width, (row, left, right) => this.paint(row, left, right));
    this.end(brush, geometry);
    this.changed();
  }

  /** Let the server draw: it sees the whole map. */
  fill(brush: Brush, geometry: Asked): void {
    this.ask({ ...brush, geometry, undoes: null, tiles: null, ms: 0 });
  }

  undo(): boolean { return this.revert(this.done, this.undone); }
  redo(): boolean { return this.revert(this.undone, this.done); }

  /**
   * Do a refused edit again, in place of the one that is kept under the number `id`. An undo can
   * be repeated while the edit that it undoes is the last one.
   */
  repeat(header: EditHeader, id: number | undefined): "sent" | "no change" | "lost" {
    const before = this.rev;
    this.replaces = id;
    const { geometry, undoes, tool, value, mode, only } = header;
    const brush = { tool, value, mode, only };
    if (undoes !== null && undoes === this.done.at(-1)?.seq) this.undo();
    else if (undoes !== null && undoes === this.undone.at(-1)?.seq) this.redo();
    else if (isDrawable(geometry)) this.draw(brush, geometry);
    else if (geometry !== null) this.fill(brush, geometry);
    this.replaces = undefined;
    if (this.rev > before) return "sent";
    return undoes === null ? "no change" : "lost";
  }

  private revert(from: Done[], to: Done[]): boolean {
    const last = this.canPaint ? from.pop() : undefined;
    if (!last) return false;
    this.waits++;
    const seq = ++this.rev;
    to.push({ seq, tiles: last.tiles.map(({ at, before, after }) => ({ at, before: after, after: before })) });
    const header: EditHeader = {
      tool: "undo", value: 255, mode: "overwrite", only: null, geometry: null, undoes: last.seq, tiles: null, ms: 0,
    };
    const id = this.replaces;
    this.queue(async () => {
      const rows: TileRow[] = [];
      for (const { at, before } of last.tiles) rows.push([...this.map.place(at), await before]);
      await this.show(rows);
      this.waits--;
      await this.outbox.add(this.pending(header, seq, encodeEdit(header, []), id));
    });
    return true;
  }

  private push(header: EditHeader, changes: TileChange[]): void {
    const seq = ++this.rev;
    const tiles = changes.map(({ at, before, after }) => ({ at, before: hashTile(before), after: hashTile(after) }));
    this.done.push({ seq, tiles });
    this.undone = [];
    const id = this.replaces;
    this.queue(async () => {
      const ready: Pixels[] = [];
      // Some at a time, so that the page does not stand still after a stroke over the whole image.
      for (let i = 0; i < changes.length; i += PATCHED) {
        ready.push(...await Promise.all(changes.slice(i, i + PATCHED).map(({ before, after }) => makePatch(before, after))));
      }
      const named = await Promise.all(tiles.map(async ({ at, before, after }, i) => ({
        at: this.map.place(at), before: await before, after: await after, size: ready[i].length,
      })));
      named.forEach(({ before, after }, i) => {
        contents.keep(before, changes[i].before);
        contents.keep(after, changes[i].after);
      });
      const full = { ...header, tiles: named };
      await this.outbox.add(this.pending(full, seq, encodeEdit(full, ready), id));
    });
  }

  private ask(header: EditHeader): void {
    const seq = ++this.rev;
    this.done.push({ seq, tiles: [] });
    this.undone = [];
    this.waits++;
    const id = this.replaces;
    this.queue(() => this.outbox.add(this.pending(header, seq, encodeEdit(header, []), id)));
  }

  private pending(header: EditHeader, seq: number, body: Uint8Array<ArrayBuffer>, id: number | undefined): Pending {
    const key = `${client}:${crypto.randomUUID()}`;
    const pending = { item: this.item.id, key, rev: seq - 1, header, body, aside: false };
    return id === undefined ? pending : { ...pending, id };
  }

  /** One after the other, so that edits arrive in their order. */
  private queue(work: () => Promise<void>): void {
    this.tail = this.tail.then(work);
    void this.tail.then(this.changed);
  }

  async whenSent(): Promise<void> {
    await this.tail;
    await this.outbox.whenEmpty();
  }

  /** All edits have arrived and are shown, or one was refused. */
  async whenShown(): Promise<void> {
    await this.whenSent();
    while (this.waits > 0 && !this.refused) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** The server has an edit of this page: show the tiles that only it could draw. */
  async accept(pending: Pending, result: EditResult): Promise<void> {
    this.state = result.state;
    if (pending.header.tiles === null && pending.header.undoes === null) {
      const entry = this.done.find(({ seq }) => seq === result.rev);
      if (entry) {
        entry.tiles = await this.findBefore(result);
        this.waits--;
      }
      await this.show(result.tiles);
    }
    this.changed();
  }

  private async findBefore(result: EditResult): Promise<Done["tiles"]> {
    return Promise.all(result.tiles.map(async ([column, row, after]) => {
      const at = this.map.at(column, row);
      return { at, before: await hashTile(this.map.tile(at)!), after };
    }));
  }

  /** Another page has changed the image: show it, and remember its edits, so that they can be undone here. */
  follow(rev: number): Promise<void> {
    this.queue(async () => {
      if (rev <= this.rev) return;
      const latest = new Map<number, Sha>();
      for (const edit of await readEdits(this.item.id, this.rev)) {
        this.remember(edit);
        this.rev = edit.seq;
        for (const [column, row, , after] of edit.tiles) latest.set(this.map.at(column, row), after);
      }
      await this.show([...latest].map(([at, sha]): TileRow => [...this.map.place(at), sha]));
    });
    return this.tail;
  }
}

export function isDrawable(geometry: Geometry | null): geometry is Drawable {
  return geometry?.kind === "stroke" || geometry?.kind === "polygon";
}
