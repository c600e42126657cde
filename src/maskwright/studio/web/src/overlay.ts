// A picture that the server draws over the image, as large as the image.

import { readShade } from "./api";
import { showNotice } from "./panels";

export class Overlay {
  private image: ImageBitmap | null = null;
  private url = "";

  /** One that `tells` says in the document whether it waits or is shown. */
  constructor(private readonly redraw: () => void, private readonly tells = false) {}

  private tell(state: "" | "waits" | "shown"): void { if (this.tells) document.body.dataset.overlay = state; }

  /** Show what is at an address; nothing where it is empty. With `keeps`, what is shown stays until then. */
  show(url: string, keeps = false): void {
    if (url === this.url) return;
    this.url = url;
    if (!keeps) this.image = null;
    this.tell(url ? "waits" : "");
    this.redraw();
    if (url) void this.load(url);
  }

  private async load(url: string): Promise<void> {
    try {
      const image = await readShade(url);
      if (url === this.url) this.image = image;
    } catch (error) {
      if (url === this.url) showNotice((error as Error).message);
    }
    if (url !== this.url) return;
    this.tell("shown");
    this.redraw();
  }

  draw(context: CanvasRenderingContext2D): void {
    if (!this.image) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0);
  }
}
