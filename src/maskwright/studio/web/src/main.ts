// The page: the list of images, the one that is open and its steps, and what others do.

import { Ahead, type Opened } from "./ahead";
import { EDITABLE, Refusal, client, findNext, look, readItems, readPicture, readPractice, readProject, takeLease, takeStep, type Comment, type ItemRow, type Look, type Project, type State } from "./api";
import { Board } from "./board";
import { Bulk } from "./bulk";
import { Doc } from "./document";
import { Guide } from "./guide";
import { ItemList } from "./itemlist";
import { AGAIN_MS, listen } from "./live";
import { showPerson, withLogin } from "./login";
import { Outbox, type Saving } from "./outbox";
import { askReason, bindTabs, closeList, find, listSteps, make, may, openDialog, showNotice, showTab, STATES, type Step } from "./panels";
import { GONE, Recovery } from "./recovery";
import { References } from "./references";
import { Review } from "./review";
import { Shade } from "./shade";
import { Stage } from "./stage";
import { Versions } from "./versions";

/** What the server tells of others. */
interface News extends Partial<Omit<ItemRow, "id" | "kind">> { kind: string; client: string; item: number; rev: number; state: State; comment: Comment; looks: Look[] }

const RENEW_MS = 30_000;
/** Of an image that was left and may be opened again: larger ones take the server too long. */
const MOST_BEFORE_PX = 32e6;

class App {
  private list: ItemList;
  doc: Doc | null = null;
  private opening = 0;
  /** The image that was asked for last. */
  private wanted = 0;
  private follows = false;
  private shownState: State | null = null;
  /** The image of another person that this one chose to paint on. */
  private joined: number | undefined;
  private readonly ahead = new Ahead();
  private review: Review;
  private shade: Shade;
  private guide: Guide;
  private versions: Versions;
  private references: References;
  private board: Board;
  private stage: Stage;
  private outbox!: Outbox;
  private recovery!: Recovery;

  constructor(private readonly project: Project) {
    this.stage = new Stage(project, {
      changed: () => this.refresh(),
      chosen: (name) => this.guide.show(name),
      comment: (x, y) => this.comment(x, y),
      drawOver: (context, scale) => this.drawOver(context, scale),
      next: (by) => void this.openNext(by),
      step: (index) => this.stepBy(index),
    });
    const redraw = () => this.stage.view.drawPen();
    this.shade = new Shade(redraw);
    this.guide = new Guide({ canEdit: may(project.person, "manager"), seen: () => this.doc && { item: this.doc.item.id, rev: this.doc.revision, ...this.stage.view.seenPart } });
    this.versions = new Versions({ canErase: may(project.person, "admin"), redraw, reload: (id) => this.open(id), before: (id) => this.list.next(id, -1) });
    this.references = new References(project.person);
    this.board = new Board(project.person, project.classes.map(({ name }) => name));
    this.list = new ItemList(project.person, (id) => { closeList(); void this.open(id); });
    this.review = new Review({
      redraw,
      reveal: (x, y) => { this.stage.view.center(x, y); this.refresh(); },
      counted: (id, open) => { this.list.put({ id, open_comments: open }); this.list.show(); },
    });
  }

  async start(): Promise<void> {
    showPerson(this.project.person);
    document.body.dataset.role = this.project.person.role;
    document.title = `${this.project.name} - Studio`;
    this.outbox = await Outbox.open(
      (saving) => this.showSaving(saving),
      (pending, result) => { if (this.doc?.item.id === pending.item) void this.doc.accept(pending, result).then(() => this.followSoon()); },
      (pending, refusal) => void this.recovery.recover(pending.item, refusal),
    );
    this.recovery = new Recovery(this.outbox, this);
    this.bind();
    this.stage.start();
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
    this.wanted = id;
    this.stage.cancel();
    const old = this.doc;
    await old?.whenSent();
    location.hash = String(id);
    showNotice("");
    try {
      const row = this.list.find(id), ahead = this.ahead.take(row);
      // The server has an image that was fetched ahead: its lease need not wait until all is shown.
      const early = ahead && row && this.claims(row) ? takeLease(id) : null;
      early?.catch(() => undefined); // it is told below
      const doc = new Doc(ahead ?? await this.read(id, opening), this.project.person.name, this.outbox, () => this.followSoon());
      if (opening !== this.opening) return this.leave(old);
      this.doc = doc;
      this.stage.open(doc);
      this.showItem();
      this.versions.open(doc);
      void this.review.open(doc);
      void look(id).then((looks) => this.showLooks(looks));
      await doc.load();
      if (this.doc === doc) await this.claim(early);
    } catch (error) {
      if (opening === this.opening) showNotice(`This image cannot be opened: ${(error as Error).message}`);
    }
    document.body.dataset.ready = String(id);
    if (this.outbox.isEmpty) this.showSaving({ waiting: 0, trouble: "" });
    this.refresh();
    this.leave(old);
    if (opening === this.opening) this.prefetch(opening);
  }

  /** Read an image; its picture is shown while its labels are on their way. */
  private async read(id: number, opening: number): Promise<Opened> {
    const picture = await readPicture(id);
    if (opening === this.opening && this.doc?.item.id !== id) {
      this.doc = null;
      find("title").textContent = this.list.find(id)?.key ?? "";
      this.stage.show(picture);
    }
    return this.ahead.read(id);
  }

  /** Give back the lease of an image that is not open any more. */
  private leave(old: Doc | null): void {
    if (old && old !== this.doc && old.item.id !== this.wanted) void takeLease(old.item.id, "end").catch(() => undefined);
  }

  /** Let the server and the browser have the images beside this one ready. */
  private prefetch(opening: number): void {
    const [next, before] = [1, -1].map((by) => this.list.next(this.doc?.item.id, by));
    const [height, width] = before?.size_HW ?? [0, 0];
    const wanted = height * width > MOST_BEFORE_PX ? [next] : [next, before];
    this.ahead.fetch(wanted.flatMap((row) => (row ? [row.id] : [])), () => opening === this.opening, (item) => this.stage.view.prefetch(item))
      .catch(() => undefined); // it is fetched again, and told, when it is opened
  }

  async takeOver(): Promise<void> {
    const { doc } = this;
    if (!doc) return;
    await this.holdLease(doc, takeLease(doc.item.id, "over"), true);
    if (doc.writable && doc.refused) await this.open(doc.item.id);
  }

  /** Whether this page paints an image without being asked to: nobody's, or the person's own work or review. */
  private claims({ id, state, annotator, reviewer }: ItemRow): boolean {
    const { person } = this.project;
    if (!may(person, "annotator")) return false;
    if (state === "in_review") return reviewer === person.name;
    return EDITABLE.includes(state) && ([null, person.name].includes(annotator) || person.name === "local" || id === this.joined);
  }

  /** Take the lease of the open image where this page is to paint it, and give it back where it is not any more. */
  private async claim(early: Promise<ItemRow> | null = null): Promise<void> {
    const { doc } = this, row = this.list.find(doc?.item.id) ?? doc?.item;
    if (!doc || !row || doc.refused) return;
    const claims = this.claims({ ...row, state: doc.state });
    if (claims && !doc.writable) return this.holdLease(doc, early ?? takeLease(row.id));
    if (!claims && doc.writable) {
      this.stage.cancel();
      doc.writable = false;
      void takeLease(row.id, "end").catch(() => undefined);
    }
    if (!claims && EDITABLE.includes(doc.state) && row.annotator && !row.source && may(this.project.person, "reviewer"))
      showNotice(`This is the work of ${row.annotator}.`, [["Paint on it", () => { this.joined = row.id; void this.claim(); }]]);
  }

  /** Paint the image where its lease comes; else say who has it, and when it can be had where somebody `insists`. */
  private async holdLease(doc: Doc, asked: Promise<ItemRow>, insists = false): Promise<void> {
    const left = this.outbox.list(doc.item.id);
    left.catch(() => undefined); // it is told below
    try {
      const { rev } = await asked;
      if (this.doc?.item.id !== doc.item.id) return void takeLease(doc.item.id, "end").catch(() => undefined);
      if (!doc.writable) showNotice("");
      doc.writable = true;
      await doc.follow(rev);
      // What an earlier page has left, and what was refused, is of use with the lease alone.
      if (this.doc === doc) await this.recovery.sendLeft(doc.item.id, await left);
    } catch (error) {
      if (!(error instanceof Refusal) || ![403, 423].includes(error.status)) throw error;
      doc.writable = false;
      if (error.status === 403) showNotice(error.message);
      else showNotice(insists ? this.explainLease(error) : `${this.nameHolder()} paints this image; here you see what happens.`, [["Take over", () => void this.takeOver()]]);
    }
    this.showItem();
  }

  private async nextWork(): Promise<void> {
    try {
      const row = await findNext();
      this.list.put(row);
      closeList();
      await this.open(row.id);
    } catch (error) {
      showNotice((error as Error).message);
    }
  }

  private explainLease({ answer }: Refusal): string {
    const { free_in_s = 0 } = answer;
    return `${this.nameHolder()} has this image open. You can take it over once that page is closed, or silent for two minutes: in ${Math.ceil(free_in_s)} s at the earliest.`;
  }

  private nameHolder(): string {
    const person = this.list.find(this.doc?.item.id)?.lease?.person;
    if (!person || person === "local") return "Another page";
    return person === this.project.person.name ? "Another page of yours" : person;
  }

  private comment(x: number, y: number): void {
    showTab("review");
    this.review.aim([x, y]);
  }

  private drawOver(context: CanvasRenderingContext2D, scale: number): void {
    if (!this.doc) return;
    this.shade.draw(context);
    this.versions.draw(context);
    this.review.drawPins(context, scale);
  }

  private get steps(): Step[] {
    const { doc } = this;
    return doc ? listSteps({ ...(this.list.find(doc.item.id) ?? doc.item), state: doc.state }, this.project.person) : [];
  }

  private stepBy(index: number): void {
    const step = this.steps[index];
    if (step) void this.step(step.verb);
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
      if (verb === "accept") await this.openAfter(this.project.person.name === "local" ? this.list.next(doc.item.id, 1) : this.list.waiting);
      if (verb === "submit" && row.is_practice) await this.tellPractice();
      if (this.doc === doc) await this.claim();
    } catch (error) {
      const asks = error instanceof Refusal && error.answer.why === "comments";
      showNotice((error as Error).message, [asks
        ? ["Accept with a reason", () => askReason((reason) => void this.step(verb, reason))]
        : ["Load again", () => void this.open(doc.item.id)]]);
    }
    this.showItem();
  }

  /** How right the practice was so far; where the settings hide numbers, the picture alone says it. */
  private async tellPractice(): Promise<void> {
    const { done, images, iou, least_iou, is_passed } = await readPractice();
    const sofar = iou === null ? "" : ` Your mean IoU so far is ${iou.toFixed(3)}, ${least_iou.toFixed(3)} passes.`;
    const then = is_passed ? " You have passed: next comes real work." : done === images ? " The images come again until you pass." : "";
    showNotice(`Practice ${done} of ${images}: compare your labels with what is shown as wrong.${sofar}${then}`, [["Next work", () => void this.nextWork()]]);
  }

  private async openNext(by: number): Promise<void> { await this.openAfter(this.list.next(this.doc?.item.id, by)); }

  private async openAfter(row: ItemRow | undefined): Promise<void> { if (row) await this.open(row.id); }

  private listen(): void {
    listen<News>((news) => this.hear(news), (wasCut) => {
      if (this.doc) void look(this.doc.item.id);
      if (wasCut) void this.readList().then(() => this.board.followJobs());
    });
    setInterval(() => {
      if (this.doc?.writable) void takeLease(this.doc.item.id).catch(() => undefined);
    }, RENEW_MS);
    addEventListener("hashchange", () => { // a link to an image, or a step back
      const row = this.list.find(Number(location.hash.slice(1)));
      if (row && row.id !== this.wanted) void this.open(row.id);
    });
    addEventListener("pagehide", () => {
      if (this.doc?.writable && this.outbox.isEmpty) void takeLease(this.doc.item.id, "end").catch(() => undefined);
    });
  }

  private hear(news: News): void {
    if (news.kind === "presence") return this.showLooks(news.looks);
    if (news.kind === "job") return this.board.followJobs();
    if (news.kind === "list") return void this.readList();
    if (news.kind === "comment") return this.review.put(news.item, news.comment);
    if (news.kind === "gone") return this.showItems(this.list.items.filter(({ id }) => id !== news.item));
    const { kind: _, client: from, item: id, ...row } = news;
    this.list.put({ ...row, id });
    if (from !== client && this.doc?.item.id === id) this.follow(this.doc, row);
    this.list.show();
  }

  private async readList(): Promise<void> {
    try {
      this.showItems(await readItems());
    } catch (error) {
      if (error instanceof Refusal) throw error;
      return void setTimeout(() => void this.readList(), AGAIN_MS); // the network is away
    }
    await this.claim();
  }

  /** The list has changed; an image that is not in it any more is not painted here. */
  private showItems(items: ItemRow[]): void {
    const { doc } = this;
    this.list.items = items;
    const row = this.list.find(doc?.item.id);
    if (doc && row) this.follow(doc, row);
    if (doc && !row) {
      this.stage.cancel();
      doc.writable = false;
      if (!doc.refused) showNotice(GONE, [["Next work", () => void this.nextWork()]]);
    }
    this.list.show();
  }

  private showLooks(looks: Look[]): void {
    this.list.setLooks(looks, this.doc?.item.id);
    const people = this.doc ? this.list.listPeople(this.doc.item.id) : [];
    find("lookers").textContent = people.length > 0 ? `also here: ${people.join(", ")}` : "";
  }

  /** Show what others have done with the open image. */
  private follow(doc: Doc, row: Pick<ItemRow, "state" | "rev"> & Partial<ItemRow>): void {
    doc.state = row.state;
    if (row.reviewer !== undefined) doc.reviewer = row.reviewer;
    void doc.follow(row.rev).then(() => this.followSoon());
    if (doc.writable && row.lease && row.lease.client !== client) {
      this.stage.cancel();
      doc.writable = false;
      showNotice(`${this.nameHolder()} has taken this image over.`, [["Take it back", () => void this.takeOver()]]);
    } else if (row.lease === null) {
      void this.claim();
    }
    this.showItem();
  }

  private refresh(): void {
    this.stage.refresh();
    this.followState();
  }

  /** Show labels that the server has changed, once for all tiles that arrive before the screen is drawn again. */
  private followSoon(): void {
    if (this.follows) return;
    this.follows = true;
    requestAnimationFrame(() => {
      this.follows = false;
      this.stage.followLabels();
      this.followState();
    });
  }

  private followState(): void {
    if (this.doc && this.doc.state !== this.shownState) this.showItem();
  }

  private showItem(): void {
    const { doc } = this;
    if (!doc) return;
    this.shownState = doc.state;
    this.list.put({ id: doc.item.id, state: doc.state });
    const row = this.list.find(doc.item.id);
    if (row) this.shade.open(row);
    find("title").textContent = row?.is_practice ? `Practice: ${doc.item.key}` : doc.item.key;
    this.references.show(doc.item.id, doc.state);
    const state = find("state");
    const isShut = !doc.writable && EDITABLE.includes(doc.state) && may(this.project.person, "annotator");
    state.textContent = isShut ? `${STATES[doc.state]}, read only` : STATES[doc.state];
    state.className = `state ${doc.state}`;
    find("steps").replaceChildren(...this.steps.map(({ verb, text }, index) =>
      make("button", { textContent: text, className: index === 0 ? "primary" : "", onclick: () => void this.step(verb) })));
    this.list.show(doc.item.id);
  }

  private showSaving({ waiting, trouble }: Saving): void {
    const saved = find("saved");
    saved.textContent = trouble ? `${trouble}: ${waiting} kept in this browser` : waiting ? `saving ${waiting}` : "saved";
    saved.classList.toggle("trouble", trouble !== "");
  }

  private bind(): void {
    bindTabs();
    find("next-work").hidden = !may(this.project.person, "annotator");
    find("next-work").onclick = () => void this.nextWork();
    new Bulk(this.project.person, { listed: () => this.list.listed, open: () => this.doc?.item.id });
    find("show-help").onclick = () => openDialog("help");
  }
}

withLogin(readProject).then((project) => new App(project).start()).catch((error: Error) => showNotice(error.message));
