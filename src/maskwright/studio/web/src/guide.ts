// How the chosen class is labelled: words and examples beside the classes.

import { changeGuideline, exampleUrl, readGuidelines, type Example, type Guideline } from "./api";
import { find, isCancelled, make, showNotice } from "./panels";

const EXTENTS = { "": "", visible: "Label the visible part.", whole: "Label the whole object, also where something hides it." };

export class Guide {
  private known = new Map<string, Guideline>();
  private name = "";
  /** Changes with each write, so that browsers fetch examples again. */
  private version = 0;

  constructor(private readonly page: { canEdit: boolean; seen(): Omit<Example, "is_good" | "note"> | null }) {
    find("guide-edit").hidden = !page.canEdit;
    find("guide-edit").onclick = () => this.edit();
    find("guide-good").onclick = () => void this.addExample(true);
    find("guide-bad").onclick = () => void this.addExample(false);
    find("guide-form").onsubmit = (event) => {
      if (isCancelled(event)) return;
      void this.save(this.written);
    };
    find("guide-clear").onclick = () => void this.save({ ...this.written, examples: [] });
  }

  async load(): Promise<void> {
    this.known = new Map((await readGuidelines()).map((guideline) => [guideline.name, guideline]));
    this.show(this.name);
  }

  private get current(): Guideline {
    return this.known.get(this.name) ?? { name: this.name, text: "", extent: "", examples: [] };
  }

  /** With what stands in the form. */
  private get written(): Guideline {
    const text = find<HTMLTextAreaElement>("guide-text").value, extent = find<HTMLSelectElement>("guide-extent").value as Guideline["extent"];
    return { ...this.current, text, extent };
  }

  /** Show the guideline of a class; an empty name: of none. */
  show(name: string): void {
    this.name = name;
    const { text, extent, examples } = this.current;
    find("guide").hidden = name === "" || (!this.page.canEdit && !text && !extent && examples.length === 0);
    find("guide-name").textContent = name;
    find("guide-words").textContent = [EXTENTS[extent], text].filter(Boolean).join("\n");
    find("guide-examples").replaceChildren(...examples.map((example, index) => {
      const caption = `${example.is_good ? "Right" : "Wrong"}${example.note ? `: ${example.note}` : ""}`;
      const source = `${exampleUrl(name, index)}?v=${this.version}`;
      return make("figure", { className: example.is_good ? "good" : "bad" },
        make("a", { href: source, target: "_blank", title: "Open in full size" }, make("img", { src: source, alt: `Example of ${name}, ${caption}` })), make("figcaption", { textContent: caption }));
    }));
  }

  private edit(): void {
    find<HTMLTextAreaElement>("guide-text").value = this.current.text;
    find<HTMLSelectElement>("guide-extent").value = this.current.extent;
    find<HTMLInputElement>("guide-note").value = "";
    find<HTMLDialogElement>("guide-dialog").showModal();
  }

  private async addExample(is_good: boolean): Promise<void> {
    const seen = this.page.seen();
    if (seen) await this.save({ ...this.written, examples: [...this.current.examples, { ...seen, is_good, note: find<HTMLInputElement>("guide-note").value }] });
    find<HTMLDialogElement>("guide-dialog").close();
  }

  private async save(guideline: Guideline): Promise<void> {
    try {
      this.known.set(guideline.name, await changeGuideline(guideline));
      this.version++;
    } catch (error) {
      showNotice((error as Error).message);
    }
    this.show(this.name);
  }
}
