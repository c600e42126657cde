// The page: the list of images, the open image, and what keys and pointer do to it.

import { Refusal, client, contents, findNext, look, readItem, readItems, readProject, takeLease, takeStep, type Comment, type ItemRow, type Look as Seen, type Project, type State } from "./api";
import { Assist } from "./assist";
import { bindAssignment } from "./assignment";
import { Board } from "./board";
import { Doc } from "./document";
import { bindDisplay, followSlider } from "./display";
import { Guide } from "./guide";
import { ItemList } from "./itemlist";
import { bindKeys, KeyMap, nameKey, showKeys, type Actions } from "./keys";
import { drawMinimap, followMinimap } from "./minimap";
import { Outbox, type Saving } from "./outbox";
import { listColors, makePalette, type PaletteName } from "./palettes";
import { showPerson, withLogin } from "./login";
import { askReason, bindTabs, find, listSteps, markTool, make, may, showClasses, showNotice, showTab, showTools, STATES, TOOLS } from "./panels";
import { followPointer } from "./pointer";
import { IGNORE, type Mode } from "./raster";
import { Recovery } from "./recovery";
import { References } from "./references";
import { Review } from "./review";
import { Shade } from "./shade";
import { Tools, type Settings, type ToolName } from "./tools";
import { Versions } from "./versions";
import { View, type Look } from "./view";

/** What the server tells of others. */
interface News extends Partial<Omit<ItemRow, "id" | "kind">> { kind: string; client: string; item: number; rev: number; state: State; comment: Comment; looks: Seen[] }

const RENEW_MS = 30_000;
/** Tiles of the next image that are fetched ahead: 16 MB of pixels. */
const MOST_PREFETCHED = 256;

class App {
  private settings: Settings = { tool: "brush", value: 0, mode: "overwrite", diameter: 20, snaps: false, locked: new Set(), tolerance: 12, connected: true, level: 1, confidence: 50 };
  private hidden = new Set<number>();
  private look: Look = { palette: new Uint32Array(256), outline: false };
  private list: ItemList;
  doc: Doc | null = null;
  private opening = 0;
  private keys = new KeyMap();
  private tools = new Tools(this.settings, (x, y) => this.comment(x, y));
  private review: Review;
  private shade: Shade;
  private assist: Assist;
  private guide: Guide;
  private versions: Versions;
  private references: References;
  private view: View;
  private outbox!: Outbox;
  private recovery!: Recovery;

  constructor(private readonly project: Project) {
    const canvases = ["picture", "labels", "overlay"].map((id) => find<HTMLCanvasElement>(id));
    this.view = new View(find("stage"), canvases, this.look, (context, scale) => {
      this.shade.draw(context);
      this.assist.draw(context);
      this.versions.draw(context);
      this.review.drawPins(context, scale);
      this.tools.drawOverlay(context, scale);
    });
    this.shade = new Shade(() => this.view.drawPen());
    this.assist = new Assist(this.settings, project.has_model, this.tools, () => this.view.drawPen(), () => this.refresh());
    this.guide = new Guide({ canEdit: may(project.person, "manager"), seen: () => this.doc && { item: this.doc.item.id, rev: this.doc.revision, ...this.view.seenPart } });
    this.versions = new Versions({
      redraw: () => this.view.drawPen(), reload: (id) => this.open(id), before: (id) => this.list.next(id, -1),
    });
    this.references = new References(project.person);
    new Board(project.person, project.classes.map(({ name }) => name));
    this.list = new ItemList(project.person.name, (id) => void this.open(id));
    this.review = new Review({
      redraw: () => this.view.drawPen(),
      reveal: (x, y) => { this.view.center(x, y); this.refresh(); },
      counted: (id, open) => { this.list.put({ id, open_comments: open }); this.list.show(); },
    });
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
    void this.guide.load();
    this.list.items = await readItems();
    this.listen();
    const first = this.list.find(Number(location.hash.slice(1))) ?? this.list.first;
    if (first) await this.open(first.id);
    else if (may(this.project.person, "annotator")) await this.nextWork();
    else showNotice("This folder has no images.");
    document.body.dataset.ready ??= "0";
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
      const doc = await Doc.open(id, this.project.person.name, this.outbox, () => this.refresh());
      if (opening !== this.opening) return;
      this.doc = doc;
      this.tools.doc = doc;
      this.view.open(doc.item, doc.map);
      this.showItem();
      this.assist.open(id);
      this.versions.open(doc);
      void this.review.open(doc);
      void look(id).then((looks) => this.showLooks(looks));
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
    const next = this.list.next(this.doc?.item.id, 1);
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
      else showNotice(`${this.nameHolder()} paints this image; here you see what happens.`, [["Take over", () => void this.takeLease("over")]]);
    }
    this.showItem();
  }

  private async nextWork(): Promise<void> {
    try {
      const row = await findNext();
      this.list.put(row);
      await this.open(row.id);
    } catch (error) {
      showNotice((error as Error).message);
    }
  }

  private nameHolder(): string {
    const person = this.list.find(this.doc?.item.id)?.lease?.person;
    return person && person !== "local" ? `${person}, or another page of yours,` : "Another page";
  }

  private comment(x: number, y: number): void {
    showTab("review");
    this.review.aim([x, y]);
  }

  private async step(verb: string, waiver = ""): Promise<void> {
    const { doc } = this;
    if (!doc) return;
    try {
      await doc.whenSent();
      const row = await takeStep(doc.item.id, verb, doc.revision, waiver ? { waiver } : {});
      doc.state = row.state;
      doc.reviewer = row.reviewer;
      this.list.put(row);
      if (verb === "accept") await this.openNext(1);
      if (verb === "submit" && row.is_practice) showNotice("Practice: compare your labels with what is shown as wrong. Next work goes on.");
    } catch (error) {
      const asks = error instanceof Refusal && error.answer.why === "comments";
      showNotice((error as Error).message, [asks
        ? ["Accept with a reason", () => askReason((reason) => void this.step(verb, reason))]
        : ["Load again", () => void this.open(doc.item.id)]]);
    }
    this.showItem();
  }

  private async openNext(by: number): Promise<void> {
    const next = this.list.next(this.doc?.item.id, by);
    if (next) await this.open(next.id);
  }

  private listen(): void {
    const source = new EventSource(`/api/events?client=${client}`);
    source.onmessage = ({ data }) => {
      const news = JSON.parse(data) as News;
      if (news.kind === "presence") return this.showLooks(news.looks);
      if (news.kind === "order") return void readItems().then((items) => { this.list.items = items; this.list.show(); });
      if (news.kind === "comment") return this.review.put(news.item, news.comment);
      const { kind: _, client: from, item: id, ...row } = news;
      this.list.put({ ...row, id });
      if (from !== client && this.doc?.item.id === id) this.follow(this.doc, news);
      this.list.show();
    };
    source.onopen = () => { if (this.doc) void look(this.doc.item.id); };
    setInterval(() => {
      if (this.doc?.writable) void takeLease(this.doc.item.id).catch(() => undefined);
    }, RENEW_MS);
    addEventListener("pagehide", () => {
      if (this.doc?.writable && this.outbox.isEmpty) void takeLease(this.doc.item.id, "end").catch(() => undefined);
    });
  }

  private showLooks(looks: Seen[]): void {
    this.list.setLooks(looks, this.doc?.item.id);
    const people = this.doc ? this.list.listPeople(this.doc.item.id) : [];
    find("lookers").textContent = people.length > 0 ? `also here: ${people.join(", ")}` : "";
  }

  private follow(doc: Doc, news: News): void {
    doc.state = news.state;
    if (news.reviewer !== undefined) doc.reviewer = news.reviewer;
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
    this.list.put({ id: doc.item.id, state: doc.state });
    const row = this.list.find(doc.item.id);
    if (row) this.shade.open(row);
    find("title").textContent = row?.is_practice ? `Practice: ${doc.item.key}` : doc.item.key;
    this.references.show(doc.item.id, doc.state);
    const state = find("state");
    state.textContent = doc.writable ? STATES[doc.state] : `${STATES[doc.state]}, read only`;
    state.className = `state ${doc.state}`;
    find("steps").replaceChildren(...listSteps(doc.state, this.project.person).map(({ verb, text }) =>
      make("button", { textContent: text, className: "primary", onclick: () => void this.step(verb) })));
    this.list.show(doc.item.id);
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
    this.guide.show(this.project.classes[this.settings.value]?.name ?? "");
  }

  private chooseClass(value: number): void {
    if (value !== IGNORE && value >= this.project.classes.length) return;
    this.settings.value = value;
    this.showPanel();
  }

  private chooseTool(tool: ToolName): void {
    if (tool === "proposal" && !this.project.has_model) return showNotice("No model makes proposals: start the studio with --model.");
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
    showTools(TOOLS.filter(({ name }) => name !== "proposal" || this.project.has_model), this.settings, key, (tool) => this.chooseTool(tool), [
      ["Fill unlabelled", `Give all unlabelled pixels the chosen class (${key("fill")})`, actions.fillUnlabelled],
      ["Undo", key("undo"), actions.undo],
      ["Redo", key("redo"), actions.redo],
      ["Close", `End the polygon or the line (${key("close")})`, actions.close],
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
    bindTabs();
    find("next-work").hidden = !may(this.project.person, "annotator");
    find("next-work").onclick = () => void this.nextWork();
    const assigns = may(this.project.person, "manager") && this.project.person.name !== "local";
    find("show-assign").hidden = !assigns;
    bindAssignment(() => this.list.listed, () => this.doc?.item.id, (rows) => {
      for (const row of rows) this.list.put(row);
      this.list.show();
    });
    find("show-help").onclick = () => find<HTMLDialogElement>("help").showModal();
  }
}

withLogin(readProject).then((project) => new App(project).start()).catch((error: Error) => showNotice(error.message));
