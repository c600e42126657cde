// The list of images: filters, search, who has which, and what comes next.

import { client, EDITABLE, type ItemRow, type Look, type Person } from "./api";
import { find, make, may, STATES } from "./panels";

const MOST_ROWS = 400;

export class ItemList {
  items: ItemRow[] = [];
  private looks: Look[] = [];

  constructor(private readonly me: Person, private readonly choose: (id: number) => void) {
    find("search").oninput = () => this.show();
    find("filter").onchange = () => this.show();
  }

  /** Those that the filters leave. */
  get listed(): ItemRow[] {
    const wanted = find<HTMLInputElement>("search").value.trim().toLowerCase(), filter = find<HTMLSelectElement>("filter").value;
    return this.byPriority.filter((item) => this.fits(item, filter)
      && [item.key, item.split, item.group, item.annotator ?? ""].some((text) => text.toLowerCase().includes(wanted)));
  }

  private fits(item: ItemRow, filter: string): boolean {
    if (filter === "mine") return item.annotator === this.me.name;
    if (filter === "free") return item.annotator === null;
    if (filter === "comments") return (item.open_comments ?? 0) > 0;
    return filter === "" || item.state === filter;
  }

  find(id: number | undefined): ItemRow | undefined { return this.items.find((item) => item.id === id); }

  /** The one that this person begins with. */
  get first(): ItemRow | undefined {
    const open = this.byPriority.filter(({ state }) => state !== "accepted");
    const own = open.find(({ annotator, state }) => annotator === this.me.name && EDITABLE.includes(state));
    return own ?? this.waiting ?? open.find(({ state }) => EDITABLE.includes(state)) ?? open[0] ?? this.items[0];
  }

  /** The first that this person reviews. */
  get waiting(): ItemRow | undefined {
    if (this.me.name === "local" || !may(this.me, "reviewer")) return undefined;
    return this.byPriority.find(({ annotator, state, source }) => annotator !== this.me.name && state === "submitted" && !source);
  }

  /** Those with a higher priority come first; the sort keeps the order of equal ones. */
  private get byPriority(): ItemRow[] { return this.items.toSorted((a, b) => b.priority - a.priority); }

  next(id: number | undefined, by: number): ItemRow | undefined {
    const { listed } = this;
    return listed[listed.findIndex((item) => item.id === id) + by];
  }

  put(row: Partial<ItemRow> & { id: number }): void {
    if (!this.find(row.id) && row.key !== undefined) this.items.push(row as ItemRow);
    else this.items = this.items.map((item) => (item.id === row.id ? { ...item, ...row } : item));
  }

  setLooks(looks: Look[], open: number | undefined): void {
    this.looks = looks.filter((look) => look.client !== client);
    this.show(open);
  }

  /** Others who look at an image now. */
  listPeople(id: number): string[] {
    return [...new Set(this.looks.filter(({ item }) => item === id).map(({ person }) => person))];
  }

  private open: number | undefined;
  private shows = false;

  /** Show the list, with the open image marked: once before the screen is drawn again. */
  show(open = this.open): void {
    this.open = open;
    if (this.shows) return;
    this.shows = true;
    requestAnimationFrame(() => {
      this.shows = false;
      this.draw();
    });
  }

  private draw(): void {
    const { open, listed, items } = this;
    const around = Math.max(0, listed.findIndex(({ id }) => id === open) - MOST_ROWS / 2);
    const rows = listed.slice(around, around + MOST_ROWS).map((item) => this.findRow(item, open));
    const empty = make("li", { className: "empty", textContent: items.length > 0 ? "No image fits the search and the state." : "No images yet." });
    this.replaceRows(rows.length > 0 ? rows : [empty]);
    const images = items.filter(({ source }) => (source ?? null) === null);
    const accepted = images.filter(({ state }) => state === "accepted").length;
    const hidden = listed.length > rows.length ? `, ${rows.length} of ${listed.length} listed` : "";
    find("progress").textContent = `${accepted} of ${images.length} accepted${hidden}`;
    const bar = find<HTMLProgressElement>("progress-bar");
    bar.max = Math.max(1, images.length);
    bar.value = accepted;
  }

  /** Replace what has changed alone: there may be hundreds of rows, and each stroke of anybody asks for it. */
  private replaceRows(rows: HTMLElement[]): void {
    const list = find("list");
    if (rows.length !== list.children.length || rows.some((row, index) => row !== list.children[index])) list.replaceChildren(...rows);
  }

  private rows = new Map<number, { shown: string; row: HTMLElement }>();

  /** The row of an image, made anew where it shows something else than before. */
  private findRow(item: ItemRow, open: number | undefined): HTMLElement {
    const { key, state, annotator, kind, source, is_practice, open_comments } = item;
    const shown = JSON.stringify([key, state, annotator, kind, source, is_practice, open_comments, this.listPeople(item.id), item.id === open]);
    const known = this.rows.get(item.id);
    if (known?.shown === shown) return known.row;
    const row = this.makeRow(item, open);
    this.rows.set(item.id, { shown, row });
    return row;
  }

  private makeRow(item: ItemRow, open: number | undefined): HTMLElement {
    const comments = item.open_comments ? `${item.open_comments} open comment${item.open_comments > 1 ? "s" : ""}` : "";
    const kind = item.is_practice ? "practice" : item.source ? item.kind ?? "" : "";
    const people = this.listPeople(item.id), seen = people.length > 0 ? `seen by ${people.join(", ")}` : "";
    const button = make("button", { className: "item", onclick: () => this.choose(item.id), title: item.key },
      make("span", { className: "name", textContent: item.key }),
      make("span", { className: `state ${item.state}`, textContent: [STATES[item.state], item.annotator, kind].filter(Boolean).join(", ") }),
      make("span", { className: "more", textContent: [comments, seen].filter(Boolean).join(", ") }));
    if (item.id === open) button.ariaCurrent = "true";
    return make("li", {}, button);
  }
}
