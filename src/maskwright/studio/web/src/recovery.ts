// Edits that an earlier page has left, or that the server has refused: send them, or ask a person.

import type { Refusal } from "./api";
import { dropUndone, saveAsFile } from "./again";
import type { Doc } from "./document";
import type { Outbox, Pending } from "./outbox";
import { showNotice } from "./panels";

export const GONE = "This image is not in your list any more.";

interface Page { readonly doc: Doc | null; open(id: number): Promise<void>; takeOver(): Promise<void> }

export class Recovery {
  constructor(private readonly outbox: Outbox, private readonly page: Page) {}

  /** Send what an earlier page has left of an image, and ask about what was refused. */
  async sendLeft(item: number, left: Pending[]): Promise<void> {
    const sendable = left.filter((pending) => !pending.aside);
    if (sendable.length > 0) {
      for (const pending of sendable) this.outbox.send(pending);
      await this.outbox.whenEmpty();
      await this.page.open(item);
    } else if (left.length > 0) {
      this.askAbout(left);
    }
  }

  async recover(item: number, refusal: Refusal): Promise<void> {
    if (this.page.doc?.item.id !== item) return;
    this.page.doc.refused = true;
    const isGone = refusal.status === 404;
    if (!isGone) await this.page.open(item);
    this.askAbout(await this.outbox.list(item), isGone ? GONE : refusal.message);
  }

  private askAbout(left: Pending[], why = "The image was changed elsewhere."): void {
    const strokes = left.length === 1 ? "1 edit was" : `${left.length} edits were`;
    showNotice(`${why.replace(/[^.]$/, "$&.")} ${strokes} not taken and stand in this browser.`, [
      ...this.listWays(left),
      ["Save as a file", () => { this.save(left); this.askAbout(left, why); }],
      ["Throw away", () => this.throwAway(left)],
    ]);
  }

  /** How edits come into the image: once this page has its lease, it asks again. */
  private listWays(left: Pending[]): [string, () => void][] {
    const { doc } = this.page;
    if (!doc?.isOpen || doc.refused) return [];
    return [doc.writable ? ["Paint them again", () => void this.paintAgain(left)] : ["Take over", () => void this.page.takeOver()]];
  }

  private async paintAgain(left: Pending[]): Promise<void> {
    const { doc } = this.page;
    await doc?.whenShown();
    if (!doc?.canPaint) return;
    const again = dropUndone(left), lost: Pending[] = [];
    for (const pending of left) if (!again.includes(pending)) await this.outbox.drop(pending);
    for (const pending of again) {
      const done = doc.repeat(pending.header, pending.id);
      if (done === "lost") lost.push(pending);
      if (done === "no change") await this.outbox.drop(pending);
      await doc.whenShown();
      if (doc.refused) return;
    }
    if (lost.length > 0) this.askAboutLost(lost);
  }

  private askAboutLost(lost: Pending[]): void {
    const steps = lost.length === 1 ? "1 undo or redo" : `${lost.length} undos and redos`;
    showNotice(`${steps} could not be repeated: other edits came after what they undo. Everything else was painted again.`, [
      ["Save as a file", () => { this.save(lost); this.askAboutLost(lost); }],
      ["Throw away", () => this.throwAway(lost)],
    ]);
  }

  private save(left: Pending[]): void {
    saveAsFile(this.page.doc?.item.key ?? "", left);
  }

  private throwAway(left: Pending[]): void {
    for (const pending of left) void this.outbox.drop(pending);
  }
}
