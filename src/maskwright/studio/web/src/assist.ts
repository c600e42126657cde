// Wand, superpixels, repairs and proposals: their settings, and what they show over the image.

import { shadeUrl } from "./api";
import { followSlider } from "./display";
import { find } from "./panels";
import type { Settings, ToolName, Tools } from "./tools";

export class Assist {
  private image: HTMLImageElement | null = null;
  private url = "";
  private item = 0;

  constructor(
    private readonly settings: Settings, private readonly hasModel: boolean, tools: Tools, private readonly redraw: () => void, changed: () => void,
  ) {
    followSlider("tolerance", "", (value) => { settings.tolerance = value; });
    followSlider("confidence", " %", (value) => { settings.confidence = value; });
    find("confidence").onchange = () => this.show();
    find<HTMLInputElement>("connected").onchange = ({ target }) => { settings.connected = (target as HTMLInputElement).checked; };
    find<HTMLSelectElement>("level").onchange = ({ target }) => { settings.level = Number((target as HTMLSelectElement).value); this.show(); };
    const size = () => Math.max(1, Math.round(Number(find<HTMLInputElement>("repair-px").value) || 1));
    for (const kind of ["holes", "specks", "grow", "shrink"] as const) find(`repair-${kind}`).onclick = () => { tools.repair(kind, size()); changed(); };
    find("accept-class").onclick = () => { tools.accept(null, [settings.value]); changed(); };
    find("accept-all").onclick = () => { tools.accept(null, null); changed(); };
  }

  open(item: number): void {
    this.item = item;
    this.show();
  }

  /** Show the settings of a tool, and what it works on over the image. */
  show(): void {
    const { tool, level, confidence } = this.settings;
    for (const name of ["wand", "cells", "proposal"] satisfies ToolName[]) find(`of-${name}`).hidden = tool !== name;
    const url = tool === "cells" ? shadeUrl(this.item, `cells${level}` as "cells0")
      : tool === "proposal" && this.hasModel ? `${shadeUrl(this.item, "proposal")}?confidence=${confidence}` : "";
    if (url === this.url) return;
    this.url = url;
    this.image = url && this.item ? Object.assign(new Image(), { src: url, onload: this.redraw }) : null;
    this.redraw();
  }

  draw(context: CanvasRenderingContext2D): void {
    if (!this.image?.complete || this.image.naturalWidth === 0) return;
    context.imageSmoothingEnabled = false;
    context.drawImage(this.image, 0, 0);
  }
}
