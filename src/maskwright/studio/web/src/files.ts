// Tags, and labels that come in and go out as files.

import { beginExport, importZip, readFormats, readTags } from "./api";
import type { Jobs } from "./jobs";
import { countImages, find, make } from "./panels";

export class Files {
  constructor(jobs: Jobs) {
    find("import-form").onsubmit = (event) => {
      event.preventDefault();
      const file = find<HTMLInputElement>("import-file").files?.[0];
      if (file) void jobs.send(file.name, (sent, signal) => importZip(file, sent, signal));
    };
    find("export-form").onsubmit = (event) => {
      event.preventDefault();
      const [form, tag] = ["export-format", "export-tag"].map((id) => find<HTMLSelectElement>(id).value);
      void jobs.begin(() => beginExport(form, tag), true);
    };
  }

  /** List tags and formats. */
  async show(): Promise<void> {
    const [tags, formats] = await Promise.all([readTags(), readFormats()]);
    find("tags").replaceChildren(...tags.map(({ name, at, images }) => make("li", { textContent: `${name}: ${countImages(images)}, ${at.slice(0, 10)}` })));
    const chosen = find<HTMLSelectElement>("export-format").value || "mask_folder";
    find("export-tag").replaceChildren(make("option", { value: "", textContent: "accepted now" }), ...tags.map(({ name }) => make("option", { value: name, textContent: `of the tag ${name}` })));
    find("export-format").replaceChildren(...formats.map((value) => make("option", { value, textContent: value })));
    find<HTMLSelectElement>("export-format").value = chosen;
  }
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
