// The stage: the open image with its labels and the pen, and the tools and settings that paint on it.

import type { Project } from "./api";
import { Assist } from "./assist";
import { Cells } from "./cells";
import { bindDisplay, followSlider, showContrast } from "./display";
import type { Doc } from "./document";
import { bindKeys, KeyMap, nameKey, showKeys, type Actions } from "./keys";
import { drawMinimap, followMinimap } from "./minimap";
import { listColors, makePalette, type PaletteName, type Rgb } from "./palettes";
import { find, markTool, may, openDialog, showClasses, showNotice, showTools, TOOLS, type Act } from "./panels";
import { followPointer } from "./pointer";
import type { Picture } from "./picture";
import { Prompting } from "./prompting";
import { IGNORE } from "./raster";
import { Tools, type Over, type Settings, type ToolName } from "./tools";
import { bindValues } from "./values";
import { View, type Look } from "./view";

interface Page {
  /** The labels may have changed. */
  changed(): void;
  /** A class was chosen; "" is unlabelled. */
  chosen(name: string): void;
  comment(x: number, y: number): void;
  drawOver(context: CanvasRenderingContext2D, scale: number): void;
  next(by: number): void;
  step(index: number): void;
}

export class Stage {
  readonly view: View;
  private readonly settings: Settings = { tool: "brush", value: 0, over: "overwrite", diameter: 20, snaps: false, locked: new Set(), tolerance: 12, connected: true, level: 1, source: "model", confidence: 50 };
  private readonly hidden = new Set<number>();
  private readonly look: Look = { palette: new Uint32Array(256), outline: false };
  private readonly keys = new KeyMap();
  private readonly tools: Tools;
  private readonly assist: Assist;

  constructor(private readonly project: Project, private readonly page: Page) {
    const canvases = ["picture", "labels", "overlay"].map((id) => find<HTMLCanvasElement>(id));
    this.view = new View(find("stage"), canvases, this.look, (context, scale) => {
      this.assist.draw(context, this.view);
      page.drawOver(context, scale);
      this.tools.drawOverlay(context, scale);
    });
    const redraw = () => { this.view.drawPen(); this.showPlace(); };
    const cells = new Cells(redraw);
    this.tools = new Tools(this.settings, new Prompting(this.view, () => this.assist.show()), cells, (x, y) => page.comment(x, y), () => this.view.drawPen());
    this.assist = new Assist(this.settings, project, this.tools, cells, redraw, () => page.changed());
  }

  /** Follow keys, pointer and settings; the page is told of what happens from now on. */
  start(): void {
    this.bind();
    this.showPanel();
    this.showContrast();
  }

  private get doc(): Doc | null { return this.tools.doc; }

  /** Show the picture of an image that is opened; nothing can be painted yet. */
  show(picture: Picture): void {
    this.tools.doc = null;
    this.view.show(picture);
    this.assist.open(null);
  }

  open(doc: Doc): void {
    this.tools.doc = doc;
    this.view.open(doc.item, doc.map);
    this.assist.open(doc.item);
  }

  /** Take back what is not finished. */
  cancel(): void { this.tools.cancel(); }

  /** Draw what has changed of the labels, and all that lies over them. */
  refresh(): void {
    this.assist.refresh();
    this.view.drawChanges();
    this.view.drawPen();
    drawMinimap(this.view, this.doc);
  }

  /** Draw what has changed of the labels alone: what lies over them is as before, and costs a frame. */
  followLabels(): void {
    if (this.assist.refresh()) this.view.drawPen();
    this.view.drawChanges();
  }

  private get colors(): Rgb[] {
    return listColors(this.project.classes, find<HTMLSelectElement>("palette").value as PaletteName);
  }

  private showContrast(): void { showContrast(this.project.classes.map(({ name }) => name), this.colors); }

  private showPanel(): void {
    const { colors } = this;
    this.look.palette = makePalette(colors, this.hidden);
    const flip = (set: Set<number>, value: number) => { if (!set.delete(value)) set.add(value); this.showPanel(); };
    showClasses(this.project.classes, colors, this.settings, this.hidden, {
      choose: (value) => this.chooseClass(value),
      toggleLock: (value) => flip(this.settings.locked, value),
      toggleHidden: (value) => flip(this.hidden, value),
    });
    this.view.recolor();
    this.page.chosen(this.project.classes[this.settings.value]?.name ?? "");
  }

  private chooseClass(value: number): void {
    if (value !== IGNORE && value >= this.project.classes.length) return;
    this.settings.value = value;
    this.showPanel();
  }

  /** The classes as they are listed, and unlabelled. */
  private get values(): number[] { return [...this.project.classes.keys(), IGNORE]; }

  private chooseNext(by: number): void {
    const { values } = this, { length } = values;
    this.chooseClass(values[(values.indexOf(this.settings.value) + by + length) % length]);
  }

  private get canPropose(): boolean { return this.project.has_model || this.project.has_frames; }

  private get paints(): boolean { return may(this.project.person, "annotator"); }

  private offers(tool: ToolName): boolean {
    if (!this.paints) return ["ruler", "move"].includes(tool);
    return (tool !== "proposal" || this.canPropose) && (tool !== "object" || this.project.has_sam);
  }

  private chooseTool(tool: ToolName): void {
    if (tool === "proposal" && !this.canPropose) return showNotice("No model makes proposals: start the studio with --model.");
    if (!this.paints && !this.offers(tool)) return;
    if (tool === "object" && !this.project.has_sam) return showNotice("No graphs for clicks and boxes: start the studio with --sam.");
    if (tool !== this.settings.tool) this.tools.cancel();
    this.settings.tool = tool;
    markTool(tool);
    this.assist.show();
    this.view.drawPen();
  }

  private setSize(diameter: number): void {
    const size = find<HTMLInputElement>("size");
    size.value = String(Math.round(diameter));
    this.settings.diameter = Number(size.value);
    find("size-value").textContent = `${size.value} px`;
    this.view.drawPen();
  }

  /** Paint over what comes next: all, unlabelled pixels, classes above in the list. */
  private changeOver(): void {
    const inputs = [...document.querySelectorAll<HTMLInputElement>("[name=mode]")];
    inputs[(inputs.findIndex(({ checked }) => checked) + 1) % inputs.length].click();
  }

  private undo(): void {
    if (!this.tools.stepBack() && this.doc?.canPaint) this.doc.undo();
    this.page.changed();
  }

  private redo(): void {
    if (this.doc?.canPaint) this.doc.redo();
    this.page.changed();
  }

  private movePen(dx: number, dy: number): void {
    const [x, y] = this.tools.pen;
    this.tools.move(x + dx, y + dy);
    this.view.reveal(x + dx, y + dy);
    this.followPen();
  }

  private pressPen(isOutside: boolean): void {
    if (this.tools.draws) this.tools.lift();
    else this.tools.press(...this.tools.pen, isOutside);
    this.page.changed();
  }

  private followPen(): void {
    this.assist.follow();
    this.showPlace();
    this.view.drawChanges();
    this.view.drawPen();
  }

  private showPlace(): void {
    const { doc } = this;
    const [x, y] = this.tools.pen.map(Math.floor);
    if (!doc) return;
    const value = doc.map.value(x, y);
    const name = value === IGNORE ? "unlabelled" : this.project.classes[value]?.name ?? "";
    const parts = [`${x}, ${y}`, name, `${Math.round(this.view.zoom * 100)} %`, this.tools.length, document.body.dataset.overlay === "waits" ? "computing" : ""];
    find("where").textContent = parts.filter(Boolean).join("  ");
  }

  private zoom(factor: number): void {
    this.view.zoomBy(factor, ...this.view.toStage(...this.tools.pen));
    drawMinimap(this.view, this.doc);
  }

  private bind(): void {
    const { page, tools, view } = this;
    const actions: Actions = {
      tool: (tool) => this.chooseTool(tool),
      value: (value) => this.chooseClass(value),
      undo: () => this.undo(),
      redo: () => this.redo(),
      bigger: (by) => this.setSize(this.settings.diameter * (by > 0 ? 1.25 : 0.8) + by),
      snap: () => find<HTMLInputElement>("snap").click(),
      over: () => this.changeOver(),
      nextClass: (by) => this.chooseNext(by),
      fillUnlabelled: () => tools.fillUnlabelled(),
      movePen: (dx, dy) => this.movePen(dx, dy),
      pressPen: (isOutside) => this.pressPen(isOutside),
      close: () => { tools.closePolygon(); page.changed(); },
      hole: () => tools.nextRing(),
      back: () => { tools.stepBack(); page.changed(); },
      cancel: () => { tools.cancel(); page.changed(); },
      zoom: (factor) => this.zoom(factor),
      fit: () => { view.fit(); drawMinimap(view, this.doc); },
      hide: () => find("labels").classList.toggle("gone"),
      outline: () => find<HTMLInputElement>("outline").click(),
      next: (by) => page.next(by),
      step: (index) => page.step(index),
      help: () => openDialog("help"),
    };
    if (!this.paints) this.settings.tool = "move";
    bindKeys(actions, this.keys);
    showKeys(this.keys, () => this.showTools(actions));
    this.showTools(actions);
    followPointer(find("stage"), view, this.settings, tools, {
      changed: () => this.followPen(),
      ended: () => page.changed(),
      moved: () => drawMinimap(view, this.doc),
    });
    followMinimap(view, () => this.doc);
    this.bindSettings();
  }

  private showTools(actions: Actions): void {
    const key = (id: string) => nameKey(this.keys.keyOf(id));
    const acts: Act[] = [
      { icon: "fill", text: "Fill unlabelled", title: "Give all unlabelled pixels the chosen class", key: key("fill"), act: actions.fillUnlabelled },
      { icon: "undo", text: "Undo", title: "Take the last step back", key: key("undo"), act: actions.undo },
      { icon: "redo", text: "Redo", title: "Do again what was undone", key: key("redo"), act: actions.redo },
      { icon: "finish", text: "Finish", title: "Close the polygon, end the line, take the object", key: key("close"), act: actions.close },
    ];
    const fit: Act = { icon: "fit", text: "Fit", title: "Show the whole image", key: key("fit"), act: actions.fit };
    showTools(TOOLS.filter(({ name }) => this.offers(name)), this.settings, key, (tool) => this.chooseTool(tool), [...(this.paints ? acts : []), fit]);
  }

  private bindSettings(): void {
    followSlider("size", " px", (value) => { this.settings.diameter = value; this.view.drawPen(); });
    bindDisplay();
    bindValues(this.project, () => { this.view.renew(); drawMinimap(this.view, this.doc); });
    find<HTMLInputElement>("snap").onchange = ({ target }) => {
      this.settings.snaps = (target as HTMLInputElement).checked;
      this.view.drawPen();
    };
    find<HTMLInputElement>("outline").onchange = ({ target }) => {
      this.look.outline = (target as HTMLInputElement).checked;
      this.view.recolor();
    };
    find("palette").onchange = () => { this.showPanel(); this.showContrast(); };
    const lock = (values: number[]) => { this.settings.locked = new Set(values); this.showPanel(); };
    find("lock-all").onclick = () => lock(this.values);
    find("unlock-all").onclick = () => lock([]);
    for (const input of document.querySelectorAll<HTMLInputElement>("[name=mode]")) {
      input.onchange = () => { this.settings.over = input.value as Over; };
    }
  }
}
