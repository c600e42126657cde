// A colour over the image: where copies of annotators differ, or where a practice image is wrong.

import { shadeUrl, type ItemRow, type ShadeKind } from "./api";
import { find } from "./panels";

export class Shade {
  private image: HTMLImageElement | null = null;
  private kind: ShadeKind | null = null;
  private item: ItemRow | null = null;

  constructor(private readonly redraw: () => void) {
    find<HTMLInputElement>("shade").onchange = () => this.load();
  }

  /** What can be shown of an image; the choice stays while it can. */
  open(item: ItemRow): void {
    const same = this.item?.id === item.id && this.item.state === item.state && this.item.rev === item.rev;
    this.item = item;
    const done = ["submitted", "accepted"].includes(item.state);
    this.kind = item.is_practice && done ? "errors" : item.kind === "pool" && item.state !== "new" ? "uncertainty" : null;
    find("shade-row").hidden = this.kind === null;
    find("shade-text").textContent = this.kind === "errors" ? "Show what is wrong" : "Show where annotators differ";
    if (!same) this.load();
  }

  private load(): void {
    this.image = null;
    if (this.item && this.kind && find<HTMLInputElement>("shade").checked) {
      this.image = Object.assign(new Image(), { src: `${shadeUrl(this.item.id, this.kind)}?rev=${this.item.rev}` });
      this.image.onload = this.redraw;
    }
    this.redraw();
  }

  draw(context: CanvasRenderingContext2D): void {
    if (!this.image?.complete || this.image.naturalWidth === 0) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0);
  }
}
