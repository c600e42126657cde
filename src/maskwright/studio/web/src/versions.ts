// Revisions of the open image: what changed since one, and going back to it.

import { copyLabels, erase, readDiff, readRevisions, restore, shadeUrl, type ItemRow, type Revision } from "./api";
import type { Doc } from "./document";
import { Overlay } from "./overlay";
import { find, make, showNotice } from "./panels";

const MOST_ROWS = 200, MOST_PAIRS = 6;

export class Versions {
  private doc: Doc | null = null;
  private readonly overlay: Overlay;

  constructor(private readonly page: { canErase: boolean; redraw(): void; reload(id: number): Promise<void>; before(id: number): ItemRow | undefined }) {
    this.overlay = new Overlay(page.redraw);
    find("copy-before").onclick = () => {
      const before = this.doc && this.page.before(this.doc.item.id);
      if (!before) return showNotice("There is no image before this one in the list.");
      void this.change((doc) => copyLabels(doc.item.id, before.id));
    };
    find("erase").hidden = !page.canErase;
    find("erase-form").onsubmit = (event) => {
      event.preventDefault();
      const { doc } = this, reason = find<HTMLInputElement>("erase-reason");
      if (doc) erase(doc.item.id, reason.value).then(() => { reason.value = ""; find<HTMLDetailsElement>("erase").open = false; }, (error: Error) => showNotice(error.message));
    };
    find("tab-versions-button").addEventListener("click", () => void this.load());
  }

  open(doc: Doc): void {
    this.doc = doc;
    this.overlay.show("");
    find("changes").textContent = "";
    if (!find("tab-versions").hidden) void this.load();
  }

  private async load(): Promise<void> {
    const { doc } = this;
    if (!doc) return;
    const rows = await readRevisions(doc.item.id).catch(() => []);
    if (doc !== this.doc) return;
    const first: Revision = { rev: 0, at: "", person: "", tool: "as it was opened", px_changed: 0, tags: [] };
    find("revisions").replaceChildren(...[...rows.slice(0, MOST_ROWS), first].map((row) => this.makeRow(doc, row)));
  }

  private makeRow(doc: Doc, { rev, at, person, tool, px_changed, tags }: Revision): HTMLElement {
    const who = person && person !== "local" ? `${person}, ` : "", when = at.slice(0, 16).replace("T", " ");
    const text = [`${rev}: ${tool}`, rev > 0 ? `${who}${when}, ${px_changed.toLocaleString("en")} px` : "", ...tags].filter(Boolean).join(" \u00b7 ");
    return make("li", { className: "thread" }, make("p", { textContent: text }), make("div", { className: "row buttons" },
      make("button", { textContent: "Changes since", onclick: () => void this.compare(doc, rev) }),
      make("button", { className: "paints", textContent: "Go back", onclick: () => void this.change((open) => restore(open.item.id, rev)) })));
  }

  private async compare(doc: Doc, rev: number): Promise<void> {
    try {
      await doc.whenSent();
      const changes = await readDiff(doc.item.id, rev, doc.revision);
      const words = changes.slice(0, MOST_PAIRS).map(({ before, after, px }) => `${before} to ${after}: ${px.toLocaleString("en")} px`);
      find("changes").textContent = words.length > 0 ? `Since ${rev}: ${words.join("; ")}` : `Nothing has changed since ${rev}.`;
      this.overlay.show(`${shadeUrl(doc.item.id, "changes")}?from=${rev}&at=${doc.revision}`);
    } catch (error) {
      showNotice((error as Error).message);
    }
  }

  private async change(act: (doc: Doc) => Promise<ItemRow>): Promise<void> {
    const { doc } = this;
    if (!doc) return;
    try {
      await doc.whenSent();
      await act(doc);
      await this.page.reload(doc.item.id);
    } catch (error) {
      showNotice((error as Error).message);
    }
  }

  draw(context: CanvasRenderingContext2D): void {
    if (!find("tab-versions").hidden) this.overlay.draw(context);
  }
}
