// Comments on the open image: pins over it, and threads in the panel.

import { addComment, readComments, resolveComment, type Comment } from "./api";
import type { Doc } from "./document";
import { find, make, showNotice } from "./panels";

const PIN_PX = 9;

export class Review {
  private comments: Comment[] = [];
  private doc: Doc | null = null;
  private place: [number, number] | null = null;

  constructor(private readonly page: { redraw(): void; reveal(x: number, y: number): void; counted(id: number, open: number): void }) {
    const text = find<HTMLTextAreaElement>("comment-text");
    find("comment-form").onsubmit = (event) => {
      event.preventDefault();
      void this.send(text.value.trim(), this.place ? { at_xy: this.place } : {}).then((sent) => { if (sent) { text.value = ""; this.aim(null); } });
    };
    find("comment-whole").onclick = () => this.aim(null);
  }

  async open(doc: Doc): Promise<void> {
    this.doc = doc;
    this.comments = [];
    this.aim(null);
    this.comments = await readComments(doc.item.id);
    this.show();
  }

  /** Another page has commented. */
  put(item: number, comment: Comment): void {
    if (this.doc?.item.id !== item) return;
    this.comments = [...this.comments.filter(({ id }) => id !== comment.id), comment].sort((a, b) => a.id - b.id);
    this.show();
  }

  /** The next comment is about this pixel; null: about the image. */
  aim(place: [number, number] | null): void {
    this.place = place && [Math.round(place[0] * 10) / 10, Math.round(place[1] * 10) / 10];
    find("comment-place").textContent = this.place ? `At ${this.place.map(Math.floor).join(", ")}` : "About the image";
    find("comment-whole").hidden = this.place === null;
    if (this.place) find("comment-text").focus();
    this.page.redraw();
  }

  private get threads(): Comment[] { return this.comments.filter(({ thread }) => thread === null); }

  private async send(text: string, more: { at_xy?: [number, number]; thread?: number }): Promise<boolean> {
    const { doc } = this;
    if (!doc || text === "") return false;
    return this.take(() => addComment(doc.item.id, text, more));
  }

  private async take(call: () => Promise<Comment>): Promise<boolean> {
    const { doc } = this;
    try {
      const comment = await call();
      if (doc) this.put(doc.item.id, comment);
      return true;
    } catch (error) {
      showNotice((error as Error).message);
      return false;
    }
  }

  private show(): void {
    const open = this.threads.filter(({ resolved_by }) => resolved_by === null);
    find("threads").replaceChildren(...this.threads.map((first, index) => this.makeThread(first, index + 1)));
    find("comment-count").textContent = open.length > 0 ? ` (${open.length})` : "";
    if (this.doc) this.page.counted(this.doc.item.id, open.length);
    this.page.redraw();
  }

  private makeThread(first: Comment, number: number): HTMLElement {
    const answers = this.comments.filter(({ thread }) => thread === first.id);
    const lines = [first, ...answers].map((comment) => make("p", {},
      make("strong", { textContent: comment.author }), make("time", { textContent: comment.at.slice(0, 16).replace("T", " ") }), make("span", { textContent: comment.text })));
    const answer = make("input", { type: "text", className: "paints", ariaLabel: `Answer to comment ${number}`, placeholder: "Answer" });
    answer.onkeydown = (event) => {
      if (event.key === "Enter") void this.send(answer.value.trim(), { thread: first.id });
    };
    const isOpen = first.resolved_by === null, doc = this.doc!;
    const change = make("button", {
      className: "paints", textContent: isOpen ? "Resolve" : "Open again", onclick: () => void this.take(() => resolveComment(doc.item.id, first.id, !isOpen)),
    });
    const place = first.at_xy;
    const go = make("button", { textContent: place ? `${number}: at ${place.map(Math.floor).join(", ")}` : `${number}: image`, className: "pin" });
    go.onclick = () => { if (place) this.page.reveal(...place); };
    const entry = make("li", { className: isOpen ? "thread" : "thread resolved" }, make("div", { className: "row" }, go, change), ...lines);
    if (isOpen) entry.append(answer);
    return entry;
  }

  drawPins(context: CanvasRenderingContext2D, scale: number): void {
    const size = PIN_PX * devicePixelRatio / scale;
    this.threads.forEach((first, index) => {
      if (first.at_xy && first.resolved_by === null) drawPin(context, first.at_xy, size, String(index + 1));
    });
    if (this.place) drawPin(context, this.place, size, "+");
  }
}

function drawPin(context: CanvasRenderingContext2D, [x, y]: [number, number], size: number, text: string): void {
  context.beginPath();
  context.moveTo(x, y);
  context.arc(x, y - 2 * size, size, 0.75 * Math.PI, 2.25 * Math.PI);
  context.closePath();
  context.fillStyle = "#b34700";
  context.strokeStyle = "#fff";
  context.lineWidth = size / 5;
  context.fill();
  context.stroke();
  context.fillStyle = "#fff";
  context.font = `bold ${1.2 * size}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x, y - 2 * size);
}
