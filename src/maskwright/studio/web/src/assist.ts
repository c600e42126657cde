// Wand, superpixels, repairs and proposals: their settings, and what they show over the image.

import { shadeUrl, type Project } from "./api";
import { followSlider } from "./display";
import { Overlay } from "./overlay";
import { find } from "./panels";
import type { ProposalSource } from "./raster";
import type { Settings, Tools } from "./tools";

export class Assist {
  private readonly overlay: Overlay;
  private item = 0;

  constructor(private readonly settings: Settings, private readonly project: Project, private readonly tools: Tools, redraw: () => void, changed: () => void) {
    this.overlay = new Overlay(redraw, true);
    followSlider("tolerance", "", (value) => { settings.tolerance = value; });
    followSlider("confidence", " %", (value) => { settings.confidence = value; });
    find("confidence").onchange = () => this.show();
    this.bindSource();
    find<HTMLInputElement>("connected").onchange = ({ target }) => { settings.connected = (target as HTMLInputElement).checked; };
    find<HTMLSelectElement>("level").onchange = ({ target }) => { settings.level = Number((target as HTMLSelectElement).value); this.show(); };
    const size = () => Math.max(1, Math.round(Number(find<HTMLInputElement>("repair-px").value) || 1));
    for (const kind of ["holes", "specks", "grow", "shrink"] as const) find(`repair-${kind}`).onclick = () => { tools.repair(kind, size()); changed(); };
    find("accept-class").onclick = () => { tools.accept(null, [settings.value]); changed(); };
    find("accept-object").onclick = () => { tools.closePolygon(); changed(); };
    find("accept-all").onclick = () => { tools.accept(null, null); changed(); };
  }

  /** Who proposes: the model, where there is one, or other frames. */
  private bindSource(): void {
    const source = find<HTMLSelectElement>("proposal-source");
    if (!this.project.has_model) source.querySelector("[value=model]")?.remove();
    const follow = () => { this.settings.source = source.value as ProposalSource; this.show(); };
    source.onchange = follow;
    this.settings.source = source.value as ProposalSource;
  }

  open(item: number): void {
    this.item = item;
    this.show();
  }

  /** Show the settings of a tool, and what it works on over the image. */
  show(): void {
    const { tool, level, source, confidence } = this.settings;
    if (this.item !== 0 && tool === "cells") this.overlay.show(shadeUrl(this.item, `cells${level}`));
    else if (this.item !== 0 && tool === "proposal") this.overlay.show(`${shadeUrl(this.item, "proposal")}?source=${source}&confidence=${confidence}`);
    else if (this.item !== 0 && tool === "object" && this.project.has_sam) this.showObject();
    else this.overlay.show("");
  }

  /** The object that is meant; without prompts, the server begins to look at the image. */
  private showObject(): void {
    const { prompting } = this.tools, { prompts, part } = prompting.geometry, url = shadeUrl(this.item, "prompted");
    const asked = JSON.stringify(part ? { prompts, part } : { prompts });
    this.overlay.show(prompting.isEmpty ? url : `${url}?prompted=${encodeURIComponent(asked)}`, !prompting.isEmpty);
  }

  draw(context: CanvasRenderingContext2D): void { this.overlay.draw(context); }
}
