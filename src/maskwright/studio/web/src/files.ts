// Tags, and labels that come in and go out as files.

import { exportZip, importZip, readFormats, readTags } from "./api";
import { find, make } from "./panels";

const MOST_LEFT_OUT = 5;

export class Files {
  constructor() {
    find("import-form").onsubmit = (event) => {
      event.preventDefault();
      const file = find<HTMLInputElement>("import-file").files?.[0];
      if (file) void tell("import-note", async () => {
        const { images, left_out } = await importZip(file), more = left_out.length - MOST_LEFT_OUT;
        return [`${images} images have the imported labels.`, ...left_out.slice(0, MOST_LEFT_OUT), ...(more > 0 ? [`and ${more} more`] : [])].join("\n");
      });
    };
    find("export-form").onsubmit = (event) => {
      event.preventDefault();
      const [form, tag] = ["export-format", "export-tag"].map((id) => find<HTMLSelectElement>(id).value);
      void tell("export-note", async () => {
        const { name, content } = await exportZip(form, tag);
        save(name, content);
        return `${name}: ${(content.size / 1e6).toFixed(1)} MB`;
      });
    };
  }

  /** List tags and formats. */
  async show(): Promise<void> {
    const [tags, formats] = await Promise.all([readTags(), readFormats()]);
    find("tags").replaceChildren(...tags.map(({ name, at, images }) => make("li", { textContent: `${name}: ${images} images, ${at.slice(0, 10)}` })));
    const chosen = find<HTMLSelectElement>("export-format").value || "mask_folder";
    find("export-tag").replaceChildren(make("option", { value: "", textContent: "accepted now" }), ...tags.map(({ name }) => make("option", { value: name, textContent: `of the tag ${name}` })));
    find("export-format").replaceChildren(...formats.map((value) => make("option", { value, textContent: value })));
    find<HTMLSelectElement>("export-format").value = chosen;
  }
}

/** Say that something runs, and what came of it. */
async function tell(id: string, work: () => Promise<string>): Promise<void> {
  const note = find(id);
  note.textContent = "Working...";
  note.textContent = await work().catch((error: Error) => error.message);
}

/** The cells of a table as CSV; none begins a formula. */
export function writeCsv(table: HTMLTableElement): string {
  const quote = (text: string) => `"${(/^[=+@\-\t]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
  return [...table.rows].map((row) => `${[...row.cells].map(({ textContent }) => quote(textContent ?? "")).join(",")}\r\n`).join("");
}

/** Let the browser save a file. */
export function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
