// The board: progress, people and their numbers, and the settings of the project.

import { addTag, changeSettings, orderWork, readPeople, readProgress, readSettings, type Estimate, type Order, type Person, type PersonNumbers, type Settings } from "./api";
import { Accounts } from "./accounts";
import { Files, save, writeCsv } from "./files";
import { Jobs } from "./jobs";
import { countImages, find, make, may, openDialog, showNotice, STATES } from "./panels";

const MOST_W = 760, CHART_H = 150;

/** What each setting is called; those without text are not shown. */
const FIELDS: [keyof Settings, string, { step?: string; max?: string; choices?: string[] }][] = [
  ["copies", "Copies of each image (0: none, images themselves are labelled)", { max: "8" }],
  ["method", "Consensus by", { choices: ["majority", "staple"] }],
  ["quorum", "Votes that a pixel needs", { max: "8" }],
  ["share", "Share of them that agrees", { step: "any", max: "1" }],
  ["least_posterior", "STAPLE: least posterior", { step: "any", max: "1" }],
  ["gold_first", "Gold images among the first 20", { max: "10" }],
  ["gold_later", "Gold images among each 20 after", { max: "10" }],
  ["gold_iou", "Gold: mean IoU to reach", { step: "any", max: "1" }],
  ["practice_iou", "Practice: mean IoU to pass", { step: "any", max: "1" }],
  ["tolerance_px", "Borders are right within (px)", { max: "100" }],
];

/** Who sees which part of the board. */
const ROLE_OF_PART: Record<string, Person["role"]> = { progress: "viewer", people: "annotator", work: "manager", accounts: "admin", settings: "manager" };

function showPart(name: string): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-part]")) {
    button.ariaPressed = String(button.dataset.part === name);
    find(`part-${button.dataset.part}`).hidden = button.dataset.part !== name;
  }
}

export class Board {
  private settings: Settings | null = null;
  private readonly accounts: Accounts;
  private readonly jobs = new Jobs();
  private readonly files = new Files(this.jobs);

  constructor(private readonly me: Person, private readonly classes: string[]) {
    this.accounts = new Accounts(me);
    find("show-board").onclick = () => void this.open();
    find("show-job").onclick = () => { showPart("work"); void this.open(); };
    this.followJobs();
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-part]")) {
      button.hidden = !may(me, ROLE_OF_PART[button.dataset.part!]);
      button.onclick = () => showPart(button.dataset.part!);
    }
    find("tag-form").onsubmit = (event) => {
      event.preventDefault();
      const name = find<HTMLInputElement>("tag-name");
      addTag(name.value)
        .then(({ images }) => { find("tag-note").textContent = `${countImages(images)} tagged ${name.value}.`; name.value = ""; return this.files.show(); })
        .catch((error: Error) => { find("tag-note").textContent = error.message; });
    };
    find("order").onchange = () => { find("order-file").hidden = find<HTMLSelectElement>("order").value !== "scores"; };
    find("order-form").onsubmit = (event) => { event.preventDefault(); void this.order(); };
    find("people-csv").onclick = () => save("people.csv", new Blob([writeCsv(find<HTMLTableElement>("people"))], { type: "text/csv" }));
    find("settings-form").onsubmit = (event) => { event.preventDefault(); void this.save(); };
  }

  /** Work may have begun, or ended. */
  followJobs(): void { if (may(this.me, "manager")) void this.jobs.follow(); }

  async open(): Promise<void> {
    try {
      await Promise.all([this.showProgress(), may(this.me, "annotator") ? this.showPeople() : null, ...(may(this.me, "manager") ? [this.showSettings(), this.files.show()] : []), this.accounts.show()]);
      openDialog("board");
    } catch (error) {
      showNotice((error as Error).message);
    }
  }

  private async showProgress(): Promise<void> {
    const { states, days, left, end } = await readProgress();
    const total = Object.values(states).reduce((sum, number) => sum + number, 0);
    find("board-states").replaceChildren(...Object.entries(STATES).map(([state, textContent]) => make("li", {},
      make("b", { textContent: String(states[state] ?? 0) }), make("span", { className: `state ${state}`, textContent }))));
    find("board-end").textContent = `${left} of ${total} are left${end ? `; at the speed of the last two weeks the last one is accepted on ${end}` : ""}.`;
    find("burn-down").replaceChildren(...(days.length > 0 ? [drawBurnDown(days, total)] : []));
  }

  private async order(): Promise<void> {
    const order = find<HTMLSelectElement>("order").value as Order, file = find<HTMLInputElement>("order-file").files?.[0];
    const say = (text: string) => { find("order-note").textContent = text; };
    say("");
    await this.jobs.begin(async () => {
      const { state, images } = await orderWork(order, order === "scores" ? parseScores(await file?.text() ?? "") : {});
      if (state === "finished") say(`${countImages(images)} ordered.`);
    });
  }

  private async showPeople(): Promise<void> {
    const people = await readPeople(), isManager = may(this.me, "manager");
    const heads = ["Person", "Images", "s / image", "Edits", "Undone", "Returned", "Against", "IoU", "Boundary F1", "Small objects found", ...(isManager ? ["Gold"] : [])];
    const rows = people.flatMap((person) => this.makeRows(person, isManager));
    find("people").replaceChildren(
      make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { textContent: text })))), make("tbody", {}, ...rows));
    this.showFatigue(people);
    find("people-none").hidden = rows.length > 0;
    find("people").hidden = find("people-csv").hidden = rows.length === 0;
  }

  /** How right and how fast people are by the minutes since a session began. */
  private showFatigue(people: PersonNumbers[]): void {
    const rows = people.flatMap(({ name, fatigue }) => fatigue.map((span, index) => [
      index === 0 ? name : "", span.to_min === null ? `from ${span.from_min}` : `${span.from_min} to ${span.to_min}`,
      String(span.images), format(span.seconds_per_image, 0), format(span.iou)]));
    const row = (tag: "th" | "td", cells: string[]) => make("tr", {}, ...cells.map((textContent) => make(tag, { textContent })));
    find("fatigue").replaceChildren(
      make("thead", {}, row("th", ["Person", "Minutes at work", "Images", "s / image", "IoU"])), make("tbody", {}, ...rows.map((cells) => row("td", cells))));
    find("fatigue-part").hidden = rows.length === 0;
  }

  private makeRows(person: PersonNumbers, isManager: boolean): HTMLElement[] {
    const gold = person.gold && (person.gold.passes === null ? `${person.gold.num} scored, judged from 8` : `${person.gold.passes ? "passes" : "fails"}, at least ${format(person.gold.low)}`);
    return [["", person.overall] as const, ...Object.entries(person.weeks)].flatMap(([week, work]) => {
      const kinds = Object.entries(work.scores);
      return (kinds.length > 0 ? kinds : [["", null] as const]).map(([kind, scores], index) => {
        const first = index === 0;
        const cells = [
          first ? week || person.name : "", ...(first ? [work.images, format(work.seconds_per_image, 0), work.edits, percent(work.undo_share), percent(work.returned_share)] : ["", "", "", "", ""]),
          kind, scores ? formatEstimate(scores.iou) : "", format(scores?.boundary_f1), percent(scores?.small_object_recall),
          ...(isManager ? [first && !week ? gold ?? "" : ""] : []),
        ];
        const row = make("tr", { className: week ? "week" : "" }, ...cells.map((text) => make("td", { textContent: String(text) })));
        if (scores) row.title = this.classes.map((name, i) => `${name}: ${format(scores.iou_by_class[i])}`).join("\n");
        return row;
      });
    });
  }

  private async showSettings(): Promise<void> {
    this.settings = await readSettings();
    const settings = this.settings;
    find("settings").replaceChildren(...FIELDS.map(([name, text, { step = "1", max = "", choices }]) => {
      const id = `setting-${name}`;
      const input = choices
        ? make("select", { id }, ...choices.map((value) => make("option", { value, textContent: value })))
        : make("input", { id, type: "number", min: "0", max, step });
      input.value = showValue(settings[name]);
      return make("div", {}, make("label", { htmlFor: id, textContent: text }), input);
    }), make("label", {}, make("input", { id: "setting-shows_metrics", type: "checkbox", checked: settings.shows_metrics }), "People see their own numbers"));
  }

  private async save(): Promise<void> {
    const values = Object.fromEntries(FIELDS.map(([name, , { choices }]) => {
      const { value } = find<HTMLInputElement>(`setting-${name}`);
      // What is shown with fewer digits is kept as it is, unless somebody changes it.
      return [name, choices ? value : value === showValue(this.settings![name]) ? this.settings![name] : Number(value)];
    }));
    try {
      await changeSettings({ ...this.settings!, ...values, shows_metrics: find<HTMLInputElement>("setting-shows_metrics").checked });
      find("settings-note").textContent = "Saved.";
    } catch (error) {
      find("settings-note").textContent = (error as Error).message;
    }
  }
}

/** Lines of key and score; others, as a heading, are passed over. */
function parseScores(text: string): Record<string, number> {
  const rows = text.split(/\r?\n/).map((line) => line.split(/[,;\t]/).map((cell) => cell.trim().replace(/^"|"$/g, "")));
  return Object.fromEntries(rows.filter(([key, score]) => key && score && Number.isFinite(Number(score))).map(([key, score]) => [key, Number(score)]));
}

const showValue = (value: unknown): string => (typeof value === "number" ? String(Math.round(1000 * value) / 1000) : String(value));
const format = (value: number | null | undefined, digits = 3): string => (value === null || value === undefined ? "" : value.toFixed(digits));
const percent = (value: number | null | undefined): string => (value === null || value === undefined ? "" : `${Math.round(100 * value)} %`);

function formatEstimate({ value, low, high }: Estimate): string {
  return low === null ? format(value) : `${format(value)} (${format(low)} to ${format(high)})`;
}

function drawBurnDown(days: { day: string; left: number }[], total: number): SVGElement {
  const space = "http://www.w3.org/2000/svg", width = Math.min(MOST_W, innerWidth - 40);
  const times = days.map(({ day }) => Date.parse(day)), first = times[0] - 86_400_000, span = Math.max(1, times.at(-1)! - first);
  const x = (time: number) => 30 + (width - 40) * (time - first) / span, y = (left: number) => 10 + (CHART_H - 40) * (1 - left / total);
  const points = [`${x(first)},${y(total)}`, ...days.map(({ left }, i) => `${x(times[i])},${y(left)}`)].join(" ");
  const add = (tag: string, values: Record<string, string | number>, text = "") => {
    const element = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(values)) element.setAttribute(name, String(value));
    element.textContent = text;
    return element;
  };
  const chart = add("svg", { viewBox: `0 0 ${width} ${CHART_H}`, role: "img", "aria-label": `Images left: from ${total} to ${days.at(-1)!.left}` });
  chart.append(
    add("line", { x1: 30, x2: width - 10, y1: y(0), y2: y(0), class: "axis" }),
    add("polygon", { points: `${points} ${x(times.at(-1)!)},${y(0)} ${x(first)},${y(0)}`, class: "area" }), add("polyline", { points, class: "left" }),
    add("text", { x: 24, y: y(total) + 4, "text-anchor": "end" }, String(total)), add("text", { x: 24, y: y(0) + 4, "text-anchor": "end" }, "0"),
    add("text", { x: 30, y: CHART_H - 8 }, new Date(first).toISOString().slice(0, 10)), add("text", { x: width - 10, y: CHART_H - 8, "text-anchor": "end" }, days.at(-1)!.day));
  return chart;
}
