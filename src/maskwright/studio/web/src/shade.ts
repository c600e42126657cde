// A colour over the image: where copies of annotators differ, or where a practice image is wrong.

import { shadeUrl, type ItemRow, type ShadeKind } from "./api";
import { Overlay } from "./overlay";
import { find } from "./panels";

export class Shade {
  private readonly overlay: Overlay;
  private item: ItemRow | null = null;

  constructor(redraw: () => void) {
    this.overlay = new Overlay(redraw);
    find<HTMLInputElement>("shade").onchange = () => this.load();
  }

  /** What can be shown of an image; the choice stays while it can. */
  open(item: ItemRow): void {
    this.item = item;
    const kind = chooseKind(item);
    find("shade-row").hidden = kind === null;
    find("shade-text").textContent = kind === "errors" ? "Show what is wrong" : "Show where annotators differ";
    this.load();
  }

  private load(): void {
    const { item } = this, kind = item && chooseKind(item);
    const isWanted = item && kind && find<HTMLInputElement>("shade").checked;
    this.overlay.show(isWanted ? `${shadeUrl(item.id, kind)}?rev=${item.rev}` : "");
  }

  draw(context: CanvasRenderingContext2D): void { this.overlay.draw(context); }
}

function chooseKind(item: ItemRow): ShadeKind | null {
  if (item.is_practice && ["submitted", "accepted"].includes(item.state)) return "errors";
  return item.kind === "pool" && item.state !== "new" ? "uncertainty" : null;
}
