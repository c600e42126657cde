// The page: the list of images, the open image, and what keys and pointer do to it.

import { Refusal, client, contents, readItem, readItems, readProject, takeLease, takeStep, type ItemRow, type Project, type State } from "./api";
import { Doc } from "./document";
import { bindDisplay, followSlider } from "./display";
import { bindKeys, KeyMap, nameKey, showKeys, type Actions } from "./keys";
import { drawMinimap, followMinimap } from "./minimap";
import { Outbox, type Saving } from "./outbox";
import { listColors, makePalette, type PaletteName } from "./palettes";
import { showPerson, withLogin } from "./login";
import { filterItems, find, listSteps, markTool, make, may, showClasses, showItems, showNotice, showTools, STATES } from "./panels";
import { followPointer } from "./pointer";
import { IGNORE, type Mode } from "./raster";
import { Recovery } from "./recovery";
import { Tools, type Settings, type ToolName } from "./tools";
import { View, type Look } from "./view";

const RENEW_MS = 30_000;
/** Tiles of the next image that are fetched ahead: 16 MB of pixels. */
const MOST_PREFETCHED = 256;

class App {
  private settings: Settings = { tool: "brush", value: 0, mode: "overwrite", diameter: 20, snaps: false, locked: new Set() };
  private hidden = new Set<number>();
  private look: Look = { palette: new Uint32Array(256), outline: false };
  private items: ItemRow[] = [];
  doc: Doc | null = null;
  private opening = 0;
  private keys = new KeyMap();
  private tools = new Tools(this.settings);
  private view: View;
  private outbox!: Outbox;
  private recovery!: Recovery;

  constructor(private readonly project: Project) {
    const canvases = ["picture", "labels", "overlay"].map((id) => find<HTMLCanvasElement>(id));
    this.view = new View(find("stage"), canvases, this.look, (context, scale) => this.tools.drawOverlay(context, scale));
  }

  async start(): Promise<void> {
    showPerson(this.project.person);
    document.title = `${this.project.name} - Studio`;
    this.outbox = await Outbox.open(
      (saving) => this.showSaving(saving),
      (pending, result) => { if (this.doc?.item.id === pending.item) void this.doc.accept(pending, result).then(() => this.refresh()); },
      (pending, refusal) => void this.recovery.recover(pending.item, refusal),
    );
    this.recovery = new Recovery(this.outbox, this);
    this.bind();
    this.showPanel();
    this.items = await readItems();
    this.listen();
    const wanted = Number(location.hash.slice(1));
    const first = this.items.find(({ id }) => id === wanted) ?? this.items.find(({ state }) => state !== "accepted") ?? this.items[0];
    if (first) await this.open(first.id);
    else showNotice("This folder has no images.");
  }

  async open(id: number): Promise<void> {
    const opening = ++this.opening;
    this.tools.cancel();
    if (this.doc) {
      const old = this.doc;
      await old.whenSent();
      void takeLease(old.item.id, "end").catch(() => undefined);
    }
    location.hash = String(id);
    showNotice("");
    try {
      const doc = await Doc.open(id, this.outbox, () => this.refresh());
      if (opening !== this.opening) return;
      this.doc = doc;
      this.tools.doc = doc;
      this.view.open(doc.item, doc.map);
      this.showItem();
      await doc.load();
      if (may(this.project.person, "annotator")) await this.takeLease("");
      await this.recovery.sendLeft(id);
    } catch (error) {
      if (opening === this.opening) showNotice(`This image cannot be opened: ${(error as Error).message}`);
    }
    document.body.dataset.ready = String(id);
    if (this.outbox.isEmpty) this.showSaving({ waiting: 0, trouble: "" });
    this.refresh();
    void this.prefetch(opening);
  }

  /** Let the server and the browser have the next image ready. */
  private async prefetch(opening: number): Promise<void> {
    const { listed } = this;
    const next = listed[listed.findIndex(({ id }) => id === this.doc?.item.id) + 1];
    if (!next || opening !== this.opening) return;
    const item = await readItem(next.id);
    if (opening !== this.opening || item.tiles.length > MOST_PREFETCHED) return;
    this.view.prefetch(item);
    await contents.read(item.tiles.map(([, , sha]) => sha), () => undefined);
  }

  private async takeLease(take: "" | "over"): Promise<void> {
    const { doc } = this;
    if (!doc) return;
    try {
      await takeLease(doc.item.id, take);
      if (take === "over") return await this.open(doc.item.id);
      doc.writable = true;
    } catch (error) {
      if (!(error instanceof Refusal) || ![403, 423].includes(error.status)) throw error;
      doc.writable = false;
      if (error.status === 403) showNotice(error.message);
      else showNotice("Another page paints this image; here you see what it does.", [["Take over", () => void this.takeLease("over")]]);
    }
    this.showItem();
  }

  private async step(verb: string): Promise<void> {
    const { doc } = this;
    if (!doc) return;
    try {
      await doc.whenSent();
      const row = await takeStep(doc.item.id, verb, doc.revision);
      doc.state = row.state;
      this.put(row);
      if (verb === "accept") await this.openNext(1);
    } catch (error) {
      showNotice((error as Error).message, [["Load again", () => void this.open(doc.item.id)]]);
    }
    this.showItem();
  }

  private get listed(): ItemRow[] {
    return filterItems(this.items, find<HTMLInputElement>("search").value, find<HTMLSelectElement>("filter").value);
  }

  private async openNext(by: number): Promise<void> {
    const { listed } = this;
    const now = listed.findIndex(({ id }) => id === this.doc?.item.id);
    const next = listed[now + by];
    if (next) await this.open(next.id);
  }

  private put(row: ItemRow): void {
    this.items = this.items.map((item) => (item.id === row.id ? { ...item, ...row } : item));
    this.showList();
  }

  private listen(): void {
    const source = new EventSource("/api/events");
    source.onmessage = ({ data }) => {
      const news = JSON.parse(data) as { kind: string; client: string; item: number; rev: number; state: State };
      this.items = this.items.map((item) => (item.id === news.item ? { ...item, state: news.state, rev: news.rev } : item));
      if (news.client !== client && this.doc?.item.id === news.item) this.follow(this.doc, news);
      this.showList();
    };
    setInterval(() => {
      if (this.doc?.writable) void takeLease(this.doc.item.id).catch(() => undefined);
    }, RENEW_MS);
    addEventListener("pagehide", () => {
      if (this.doc?.writable && this.outbox.isEmpty) void takeLease(this.doc.item.id, "end").catch(() => undefined);
    });
  }

  private follow(doc: Doc, news: { kind: string; rev: number; state: State; lease?: { client: string } | null }): void {
    doc.state = news.state;
    if (news.kind === "edit") void doc.follow(news.rev).then(() => this.refresh());
    else if (doc.writable && news.lease && news.lease.client !== client) {
      this.tools.cancel();
      doc.writable = false;
      showNotice("Another page has taken this image over.", [["Take it back", () => void this.takeLease("over")]]);
    }
    this.showItem();
  }

  private refresh(): void {
    this.view.drawChanges();
    this.view.drawPen();
    drawMinimap(this.view, this.doc);
    this.showItem();
  }

  private showItem(): void {
    const { doc } = this;
    if (!doc) return;
    const row = this.items.find(({ id }) => id === doc.item.id);
    if (row) row.state = doc.state;
    find("title").textContent = doc.item.key;
    const state = find("state");
    state.textContent = doc.writable ? STATES[doc.state] : `${STATES[doc.state]}, read only`;
    state.className = `state ${doc.state}`;
    find("steps").replaceChildren(...listSteps(doc.state, this.project.person).map(({ verb, text }) =>
      make("button", { textContent: text, className: "primary", onclick: () => void this.step(verb) })));
    this.showList();
  }

  private showList(): void {
    showItems(this.listed, this.items, this.doc?.item.id ?? null, (id) => void this.open(id));
  }

  private showSaving({ waiting, trouble }: Saving): void {
    const saved = find("saved");
    saved.textContent = trouble ? `${trouble}: ${waiting} kept in this browser` : waiting ? `saving ${waiting}` : "saved";
    saved.classList.toggle("trouble", trouble !== "");
  }

  private showPanel(): void {
    const colors = listColors(this.project.classes, find<HTMLSelectElement>("palette").value as PaletteName);
    this.look.palette = makePalette(colors, this.hidden);
    const flip = (set: Set<number>, value: number) => { if (!set.delete(value)) set.add(value); this.showPanel(); };
    showClasses(this.project.classes, colors, this.settings, this.hidden, {
      choose: (value) => this.chooseClass(value),
      toggleLock: (value) => flip(this.settings.locked, value),
      toggleHidden: (value) => flip(this.hidden, value),
    });
    this.view.recolor();
  }

  private chooseClass(value: number): void {
    if (value !== IGNORE && value >= this.project.classes.length) return;
    this.settings.value = value;
    this.showPanel();
  }

  private chooseTool(tool: ToolName): void {
    if (tool !== "polygon") this.tools.cancel();
    this.settings.tool = tool;
    markTool(tool);
    this.view.drawPen();
  }

  private setSize(diameter: number): void {
    const size = find<HTMLInputElement>("size");
    size.value = String(Math.round(diameter));
    this.settings.diameter = Number(size.value);
    find("size-value").textContent = `${size.value} px`;
    this.view.drawPen();
  }

  private undo(): void {
    if (!this.tools.stepBack() && this.doc?.canPaint) this.doc.undo();
    this.refresh();
  }

  private redo(): void {
    if (this.doc?.canPaint) this.doc.redo();
    this.refresh();
  }

  private movePen(dx: number, dy: number): void {
    const [x, y] = this.tools.pen;
    this.tools.move(x + dx, y + dy);
    this.view.reveal(x + dx, y + dy);
    this.showPlace();
    this.view.drawChanges();
    this.view.drawPen();
  }

  private pressPen(): void {
    if (this.tools.draws) this.tools.lift();
    else this.tools.press(...this.tools.pen);
    this.refresh();
  }

  private showPlace(): void {
    const { doc } = this;
    const [x, y] = this.tools.pen.map(Math.floor);
    if (!doc) return;
    const value = doc.map.value(x, y);
    const name = value === IGNORE ? "unlabelled" : this.project.classes[value]?.name ?? "";
    const parts = [`${x}, ${y}`, name, `${Math.round(this.view.zoom * 100)} %`, this.tools.length];
    find("where").textContent = parts.filter(Boolean).join("  ");
  }

  private zoom(factor: number): void {
    this.view.zoomBy(factor, ...this.view.toStage(...this.tools.pen));
    drawMinimap(this.view, this.doc);
  }

  private bind(): void {
    const actions: Actions = {
      tool: (tool) => this.chooseTool(tool),
      value: (value) => this.chooseClass(value),
      undo: () => this.undo(),
      redo: () => this.redo(),
      bigger: (by) => this.setSize(this.settings.diameter * (by > 0 ? 1.25 : 0.8) + by),
      snap: () => find<HTMLInputElement>("snap").click(),
      keep: () => this.setMode(this.settings.mode === "keep" ? "overwrite" : "keep"),
      fillUnlabelled: () => this.tools.fillUnlabelled(),
      movePen: (dx, dy) => this.movePen(dx, dy),
      pressPen: () => this.pressPen(),
      close: () => { this.tools.closePolygon(); this.refresh(); },
      hole: () => this.tools.nextRing(),
      back: () => { this.tools.stepBack(); this.refresh(); },
      cancel: () => { this.tools.cancel(); this.refresh(); },
      zoom: (factor) => this.zoom(factor),
      fit: () => { this.view.fit(); drawMinimap(this.view, this.doc); },
      hide: () => find("labels").classList.toggle("gone"),
      outline: () => find<HTMLInputElement>("outline").click(),
      next: (by) => void this.openNext(by),
      step: (index) => { const step = this.doc && listSteps(this.doc.state, this.project.person)[index]; if (step) void this.step(step.verb); },
      help: () => find<HTMLDialogElement>("help").showModal(),
    };
    bindKeys(actions, this.keys);
    showKeys(this.keys, () => this.showTools(actions));
    this.showTools(actions);
    followPointer(find("stage"), this.view, this.settings, this.tools, {
      changed: () => { this.showPlace(); this.view.drawChanges(); this.view.drawPen(); },
      ended: () => this.refresh(),
      moved: () => drawMinimap(this.view, this.doc),
    });
    followMinimap(this.view, () => this.doc);
    this.bindPanel();
  }

  private showTools(actions: Actions): void {
    const key = (id: string) => nameKey(this.keys.keyOf(id));
    showTools(this.settings, key, (tool) => this.chooseTool(tool), [
      ["Fill unlabelled", `Give all unlabelled pixels the chosen class (${key("fill")})`, actions.fillUnlabelled],
      ["Undo", key("undo"), actions.undo],
      ["Redo", key("redo"), actions.redo],
      ["Close polygon", key("close"), actions.close],
      ["Fit", `Show the whole image (${key("fit")})`, actions.fit],
    ]);
  }

  private setMode(mode: Mode): void {
    this.settings.mode = mode;
    for (const input of document.querySelectorAll<HTMLInputElement>("[name=mode]")) input.checked = input.value === mode;
  }

  private bindPanel(): void {
    followSlider("size", " px", (value) => { this.settings.diameter = value; this.view.drawPen(); });
    bindDisplay();
    find<HTMLInputElement>("snap").onchange = ({ target }) => {
      this.settings.snaps = (target as HTMLInputElement).checked;
      this.view.drawPen();
    };
    find<HTMLInputElement>("outline").onchange = ({ target }) => {
      this.look.outline = (target as HTMLInputElement).checked;
      this.view.recolor();
    };
    find("palette").onchange = () => this.showPanel();
    for (const input of document.querySelectorAll<HTMLInputElement>("[name=mode]")) {
      input.onchange = () => { this.settings.mode = input.value as Mode; };
    }
    find("search").oninput = () => this.showList();
    find("filter").onchange = () => this.showList();
    find("show-help").onclick = () => find<HTMLDialogElement>("help").showModal();
    for (const [button, panel] of [["show-images", "images"], ["show-panel", "panel"]]) {
      find(button).onclick = () => {
        find(button).ariaExpanded = String(find(panel).classList.toggle("open"));
      };
    }
  }
}

withLogin(readProject).then((project) => new App(project).start()).catch((error: Error) => showNotice(error.message));
