// A picture that the server draws over the image, as large as the image.

import { readShade } from "./api";
import { showNotice } from "./panels";

export class Overlay {
  private image: ImageBitmap | null = null;
  private url = "";
  /** What is asked for, by number, and the answer that is awaited. */
  private asked = 0;
  private awaited: AbortController | null = null;

  /** One that `tells` says in the document whether it waits or is shown. */
  constructor(private readonly redraw: () => void, private readonly tells = false) {}

  private tell(state: "" | "waits" | "shown"): void { if (this.tells) document.body.dataset.overlay = state; }

  /**
   * Show what is at an address; nothing where it is empty. With `keeps`, what is shown stays until
   * then: of several addresses that come one after the other, those between are left out.
   */
  show(url: string, keeps = false): void {
    if (url === this.url) return;
    this.url = url;
    this.asked++;
    if (!keeps) {
      this.image = null;
      this.awaited?.abort();
    }
    this.tell(url ? "waits" : "");
    this.redraw();
    if (!this.awaited) void this.load();
  }

  private async load(): Promise<void> {
    for (let number = -1; this.url && number !== this.asked;) {
      number = this.asked;
      this.awaited = new AbortController();
      const found = await readShade(this.url, this.awaited.signal).catch((error: Error) => error);
      if (number !== this.asked) continue;
      if (found instanceof Error) showNotice(found.message);
      else this.image = found;
      this.tell("shown");
      this.redraw();
    }
    this.awaited = null;
  }

  draw(context: CanvasRenderingContext2D): void {
    if (!this.image) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0);
  }
}
