// Many images at once: those that are listed, or the open one, are assigned, accepted, returned or tagged.

import { addTag, assign, readUsers, takeSteps, type ItemRow, type Person, type Rule } from "./api";
import { countImages, find, make, may, openDialog, showNotice } from "./panels";

interface Page { listed: () => ItemRow[]; open: () => number | undefined }

/** States that a step leads from. */
const FROM = { accept: ["submitted", "in_review"], return: ["submitted", "in_review"], assign: ["new", "in_progress", "submitted", "in_review", "returned"], tag: ["accepted"] };

/** Buttons say how many images they change. */
const BUTTONS: [string, string, keyof typeof FROM][] = [
  ["bulk-accept", "Accept", "accept"], ["bulk-return", "Return", "return"], ["bulk-tag-go", "Tag", "tag"],
  ["assign-go", "Assign", "assign"], ["assign-free", "Make nobody's:", "assign"],
];

export class Bulk {
  constructor(person: Person, private readonly page: Page) {
    const isManager = may(person, "manager");
    find("show-assign").hidden = !may(person, "reviewer");
    find("bulk-assign").hidden = !isManager || person.name === "local";
    find("bulk-tag").hidden = !isManager;
    find("show-assign").onclick = () => void this.show();
    find("assign-scope").onchange = () => this.count();
    find("assign-go").onclick = () => { const people = this.people; if (people.length > 0) void this.assign(people); else this.say("Choose people."); };
    find("assign-free").onclick = () => void this.assign([]);
    for (const verb of ["accept", "return"] as const) find(`bulk-${verb}`).onclick = () => void this.step(verb);
    find("bulk-tag").onsubmit = (event) => { event.preventDefault(); void this.tag(); };
  }

  /** The chosen images from whose states an action leads. */
  private choose(action: keyof typeof FROM): ItemRow[] {
    const scope = find<HTMLSelectElement>("assign-scope").value, listed = this.page.listed().filter(({ state }) => FROM[action].includes(state));
    return scope === "open" ? listed.filter(({ id }) => id === this.page.open()) : listed;
  }

  private get people(): string[] {
    return [...document.querySelectorAll<HTMLInputElement>("#assign-people input:checked")].map(({ value }) => value);
  }

  private say(text: string): void { find("bulk-note").textContent = text; }

  private count(): void {
    for (const [id, text, action] of BUTTONS) {
      const { length } = this.choose(action), button = find<HTMLButtonElement>(id);
      button.textContent = `${text} ${length}`;
      button.disabled = length === 0;
    }
  }

  private async show(): Promise<void> {
    try {
      const users = find("bulk-assign").hidden ? [] : await readUsers();
      find("assign-people").replaceChildren(...users.filter(({ role }) => role !== "viewer").map(({ name, role }) =>
        make("label", {}, make("input", { type: "checkbox", value: name, checked: role === "annotator" }), `${name} (${role})`)));
      this.say("");
      this.count();
      openDialog("assign");
    } catch (error) {
      showNotice((error as Error).message);
    }
  }

  /** Do something with some images, and say what came of it. */
  private async act(rows: ItemRow[], what: string, work: () => Promise<string>): Promise<void> {
    if (rows.length === 0) return this.say(`No image can be ${what}.`);
    try {
      this.say(await work());
      this.count();
    } catch (error) {
      this.say((error as Error).message);
    }
  }

  private assign(people: string[]): Promise<void> {
    const rows = this.choose("assign");
    return this.act(rows, "assigned", async () =>
      `${(await assign(rows.map(({ id }) => id), people, find<HTMLSelectElement>("assign-rule").value as Rule)).length} images are assigned.`);
  }

  private step(verb: "accept" | "return"): Promise<void> {
    const rows = this.choose(verb), done = verb === "accept" ? "accepted" : "returned";
    return this.act(rows, done, async () => {
      const { images, refused } = await takeSteps(verb, rows.map(({ id, rev }) => ({ item: id, rev })));
      return [`${images} images are ${done}.`, ...refused].join(" ");
    });
  }

  private tag(): Promise<void> {
    const rows = this.choose("tag"), name = find<HTMLInputElement>("bulk-tag-name").value;
    return this.act(rows, "tagged", async () => `${countImages((await addTag(name, rows.map(({ id }) => id))).images)} tagged ${name}.`);
  }
}
