// Long work of the project: how far it is, in the header and on the board, in all pages of managers.

import { cancelJob, exportUrl, readJob, type Job } from "./api";
import { countImages, find, make } from "./panels";

/** Between two questions how far it is. */
const POLL_MS = 500;
const MOST_LEFT_OUT = 5;

export class Jobs {
  private asks = false;
  /** This page has asked for the export that runs: it is saved when it is there. */
  private saves = false;
  private upload: AbortController | null = null;
  /** Why other work was not begun; it stands below that which runs. */
  private refusal = "";

  constructor() {
    find("job-cancel").onclick = () => {
      if (this.upload) this.upload.abort();
      else void cancelJob().then((job) => this.show(job), (error: Error) => this.tell(error.message));
    };
    find("job-save").onclick = save;
  }

  /** Say that a file is sent, which can be cancelled as the work after it. */
  async send(name: string, work: (sent: (share: number) => void, signal: AbortSignal) => Promise<Job>): Promise<void> {
    if (this.upload) return;
    this.upload = new AbortController();
    const sent = (share: number) => this.showBar(`${name}: ${Math.round(100 * share)} % are sent`, share, 1);
    sent(0);
    try {
      await work(sent, this.upload.signal);
    } catch (error) {
      this.refuse(error as Error);
    } finally {
      this.upload = null;
    }
    await this.follow();
  }

  /** Begin work; with `saves`, its file is saved when it is there. */
  async begin(work: () => Promise<unknown>, saves = false): Promise<void> {
    this.saves = saves;
    try {
      await work();
    } catch (error) {
      this.saves = false;
      this.refuse(error as Error);
    }
    await this.follow();
  }

  private refuse({ message }: Error): void {
    this.refusal = message;
    this.tell(message);
  }

  /** Show the work that runs until its end, or the last one. */
  async follow(): Promise<void> {
    if (this.asks || this.upload) return;
    this.asks = true;
    try {
      for (let job = await readJob(), ran = false; ; job = await readJob()) {
        if (ran && job.state !== "running") this.refusal = "";
        if (!this.upload) this.show(job);
        if (job.state !== "running") break;
        ran = true;
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    } catch (error) {
      this.tell((error as Error).message);
    }
    this.asks = false;
  }

  private show(job: Job): void {
    if (job.state === "running") {
      const count = job.total > 0 ? `: ${job.step}, ${job.done} of ${job.total}` : "";
      return this.showBar(`${begin(job.what)}${count}`, job.done, job.total);
    }
    this.tell(this.refusal || describe(job));
    this.refusal = "";
    find("job-save").hidden = job.state !== "finished" || job.kind !== "export";
    if (this.saves && job.kind === "export" && job.state === "finished") save();
    this.saves = false;
  }

  private showBar(text: string, done: number, total: number): void {
    this.tell(this.refusal ? `${text}\n${this.refusal}` : text);
    const bar = find<HTMLProgressElement>("job-bar");
    bar.max = Math.max(1, total);
    bar.value = done;
    bar.hidden = find("job-cancel").hidden = find("show-job").hidden = false;
    find("show-job").textContent = text;
  }

  private tell(text: string): void {
    find("job").hidden = text === "";
    find("job-text").textContent = text;
    find("job-bar").hidden = find("job-cancel").hidden = find("job-save").hidden = find("show-job").hidden = true;
  }
}

const begin = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function save(): void { make("a", { href: exportUrl, download: "" }).click(); }

/** What came of work. */
function describe({ kind, what, state, images, left_out, file, num_bytes, error }: Job): string {
  const has = `${countImages(images)} ${images === 1 ? "has" : "have"} the imported labels`;
  if (state === "none") return "";
  if (state === "failed") return `${begin(what)}: ${error}`;
  if (state === "cancelled") {
    return `${begin(what)} was cancelled. ${kind === "import" ? `${has}; each is one step that Undo takes back.` : kind === "export" ? "Nothing was written." : "The order is the one of before."}`;
  }
  if (kind === "order") return `${countImages(images)} ordered.`;
  if (kind === "export") return `${file}: ${countImages(images)}, ${(num_bytes / 1e6).toFixed(1)} MB.`;
  const more = left_out.length - MOST_LEFT_OUT;
  return [`${has}.`, ...left_out.slice(0, MOST_LEFT_OUT), ...(more > 0 ? [`and ${more} more`] : [])].join("\n");
}
