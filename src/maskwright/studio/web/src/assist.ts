// Wand, superpixels, repairs and proposals: their settings, and what they show over the image. Each
// shows what it would change before it does.

import { shadeUrl, type Project } from "./api";
import type { Cells } from "./cells";
import { followSlider } from "./display";
import type { Brush, Doc } from "./document";
import { Overlay } from "./overlay";
import { find } from "./panels";
import type { Picture } from "./picture";
import type { Asked, ProposalSource } from "./raster";
import type { Settings, Tools } from "./tools";
import type { View } from "./view";

/** How long the pen rests before the server is asked what would change. */
const REST_MS = 120;
/** As `studio/shades.py` draws them at most. */
const MOST_PX = 64e6;

export class Assist {
  private readonly overlay: Overlay;
  private item: Picture | null = null;
  private rests: ReturnType<typeof setTimeout> | undefined;
  /** The revision before the edit that is shown. */
  private previewed: number | null = null;

  constructor(private readonly settings: Settings, private readonly project: Project, private readonly tools: Tools, private readonly cells: Cells, redraw: () => void, changed: () => void) {
    this.overlay = new Overlay(redraw, true);
    followSlider("tolerance", "", (value) => { settings.tolerance = value; });
    followSlider("confidence", " %", (value) => { settings.confidence = value; });
    find("confidence").onchange = () => this.show();
    this.bindSource();
    find<HTMLInputElement>("connected").onchange = ({ target }) => { settings.connected = (target as HTMLInputElement).checked; };
    find<HTMLSelectElement>("level").onchange = ({ target }) => { settings.level = Number((target as HTMLSelectElement).value); this.show(); };
    const size = () => Math.max(1, Math.round(Number(find<HTMLInputElement>("repair-px").value) || 1));
    for (const kind of ["holes", "specks", "grow", "shrink"] as const) {
      const button = find(`repair-${kind}`), plan = () => tools.planRepair(kind, size());
      button.onclick = () => { tools.repair(...plan()); changed(); };
      button.onpointerenter = button.onfocus = () => { if (tools.doc?.canPaint) this.preview(tools.doc, plan()); };
      button.onpointerleave = button.onblur = () => this.show();
    }
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

  open(item: Picture | null): void {
    this.item = item;
    this.show();
  }

  /** Show the settings of a tool, and what it works on over the image. */
  show(): void {
    const { item } = this, { tool, level, source, confidence } = this.settings;
    clearTimeout(this.rests);
    this.previewed = null;
    this.cells.show(tool === "cells" ? item : null, level);
    if (item && tool === "proposal") this.overlay.show(`${shadeUrl(item.id, "proposal")}?source=${source}&confidence=${confidence}`);
    else if (item && tool === "object" && this.project.has_sam) this.showObject(item.id);
    else this.overlay.show("");
  }

  /** The pen has moved: show what a tool would change there, once it rests, or while it is drawn. */
  follow(): void {
    const { doc, planned, draws } = this.tools;
    clearTimeout(this.rests);
    if (!doc || !planned) return;
    if (draws) this.preview(doc, planned);
    else this.rests = setTimeout(() => this.preview(doc, planned), REST_MS);
  }

  /** The labels may have changed: what an edit has changed is not shown as what it would change. Whether superpixels have to be drawn again. */
  refresh(): boolean {
    const { doc } = this.tools;
    if (!doc?.isSettled) return false;
    if (this.previewed !== null && this.previewed !== doc.revision) this.show();
    return this.cells.settle();
  }

  private preview(doc: Doc, [brush, geometry]: [Brush, Asked]): void {
    const { item } = this;
    if (!item || !doc.isSettled || doc.item.id !== item.id || item.size_HW[0] * item.size_HW[1] > MOST_PX) return;
    this.previewed = doc.revision;
    const edit = JSON.stringify({ ...brush, geometry });
    this.overlay.show(`${shadeUrl(item.id, "preview")}?${new URLSearchParams({ edit, rev: String(doc.revision) })}`, true);
  }

  /** The object that is meant; without prompts, the server begins to look at the image. */
  private showObject(item: number): void {
    const { prompting } = this.tools, { prompts, part } = prompting.geometry, url = shadeUrl(item, "prompted");
    const asked = JSON.stringify(part ? { prompts, part } : { prompts });
    this.overlay.show(prompting.isEmpty ? url : `${url}?prompted=${encodeURIComponent(asked)}`, !prompting.isEmpty);
  }

  draw(context: CanvasRenderingContext2D, view: View): void {
    this.overlay.draw(context);
    this.cells.draw(context, view);
  }
}
