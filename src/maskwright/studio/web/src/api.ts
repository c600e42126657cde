// The calls of the server: see `studio/api.py`. Their addresses are relative to that of the page, so that
// a proxy may serve the studio under any path.

import type { Picture } from "./picture";
import type { Pixels } from "./tilemap";
import { inflate, rememberHash, splitBlobs, type Sha, type TileRow } from "./wire";

export interface ClassDef { name: string; color: [number, number, number]; kind: string }
export const ROLES = ["viewer", "annotator", "reviewer", "manager", "admin"] as const;
export interface Person { name: string; role: typeof ROLES[number] }
export interface Project { name: string; person: Person; classes: ClassDef[]; has_model: boolean; has_frames: boolean; has_sam: boolean; tile_px: number; picture_px: number; channels: string[]; shown: number[]; is_wide: boolean }
export type State = "new" | "in_progress" | "submitted" | "in_review" | "returned" | "accepted";
/** States in which an annotator paints. */
export const EDITABLE: readonly State[] = ["new", "in_progress", "returned"];
export interface ItemRow {
  id: number; key: string; split: string; group: string; state: State; rev: number;
  size_HW: [number, number] | null;
  annotator: string | null;
  reviewer: string | null;
  priority: number;
  is_practice: boolean;
  /** For reviewers: `pool` has copies, `copy`, `gold` and `practice` are copies of `source`. */
  kind?: "pool" | "copy" | "gold" | "practice" | null;
  source?: number | null;
  open_comments?: number;
  lease: { client: string; person: string; until: number } | null;
}
export interface Comment {
  id: number; thread: number | null; rev: number; at_xy: [number, number] | null;
  text: string; author: string; at: string; resolved_by: string | null;
}
export interface User { name: string; role: Person["role"] }
export interface Look { client: string; person: string; item: number }
export interface Settings {
  copies: number; method: "majority" | "staple"; quorum: number; share: number; least_posterior: number;
  gold_first: number; gold_later: number; gold_iou: number; practice_iou: number; tolerance_px: number; shows_metrics: boolean;
}
export interface Estimate { value: number | null; low: number | null; high: number | null }
export interface ScoreSums { num: number; iou: Estimate; iou_by_class: (number | null)[]; boundary_f1: number | null; small_object_recall: number | null }
export interface Work {
  images: number; seconds_per_image: number | null; edits: number; undo_share: number | null; returned_share: number | null;
  scores: Record<string, ScoreSums>;
}
/** A span of minutes since a session began. */
export interface Span { from_min: number; to_min: number | null; images: number; seconds_per_image: number; iou: number | null }
export interface PersonNumbers {
  name: string; fatigue: Span[]; overall: Work; weeks: Record<string, Work>; gold?: { num: number; low: number | null; passes: boolean | null };
}
/** How far this person is with practice. */
export interface Practice { done: number; images: number; iou: number | null; least_iou: number; is_passed: boolean }
export interface Progress { states: Record<string, number>; days: { day: string; left: number }[]; left: number; end: string | null }
export interface Example { item: number; rev: number; left: number; top: number; width: number; height: number; is_good: boolean; note: string }
export interface Guideline { name: string; text: string; extent: "" | "visible" | "whole"; examples: Example[] }
export type ReferenceKind = "gold" | "practice" | "";
export type ShadeKind = "uncertainty" | "errors" | "preview" | "proposal" | "prompted" | "changes";
export interface Revision { rev: number; at: string; person: string; tool: string; px_changed: number; tags: string[] }
export interface ClassChange { before: string; after: string; px: number }
export type Rule = "group" | "round-robin" | "queue";
export interface Item extends ItemRow { size_HW: [number, number]; tiles: TileRow[]; levels: number }
export interface LoggedEdit { seq: number; undoes?: number; tiles: [number, number, Sha, Sha][] }
export interface EditResult { rev: number; state: State; tiles: TileRow[]; px_changed: number }

/** An answer of the server that refuses. */
export class Refusal extends Error {
  constructor(readonly status: number, readonly answer: { error?: string; why?: string; rev?: number; free_in_s?: number }) {
    super(answer.error ?? `the server answered ${status}`);
  }
}

const TILES_ASKED = 64;
const MOST_KEPT_BYTES = 96 << 20;

/** The name of this page: it stays when the page is loaded again. */
export const client = findClient();

function findClient(): string {
  const kept = sessionStorage.getItem("client") ?? crypto.randomUUID();
  sessionStorage.setItem("client", kept);
  return kept;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = { "X-Maskwright": "studio", "X-Client": client, ...init.headers };
  const response = await fetch(path, { ...init, headers });
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Refusal(response.status, answer);
  }
  return response;
}

const askJson = async <T>(path: string, init?: RequestInit): Promise<T> => (await ask(path, init)).json();

const askWith = <T>(path: string, body: object) => askJson<T>(path, { method: "POST", body: JSON.stringify(body) });

export const logIn = (name: string, password: string) => askWith<object>("api/login", { name, password });
export const logOut = () => askWith<object>("api/logout", {});

export const readProject = () => askJson<Project>("api/project");
export const readItems = () => askJson<{ items: ItemRow[] }>("api/items").then((answer) => answer.items);
export const readPicture = (id: number) => askJson<Picture>(`api/items/${id}/picture`);
export const readItem = (id: number) => askJson<Item>(`api/items/${id}`);
/** The edits of an image after a revision. */
export const readEdits = (id: number, after = 0) =>
  askJson<{ edits: LoggedEdit[] }>(`api/items/${id}/edits?after=${after}`).then((answer) => answer.edits);

export const takeLease = (id: number, take: "" | "over" | "end" = "") =>
  askJson<ItemRow>(`api/items/${id}/lease?take=${take}`, { method: "POST", keepalive: take === "end" });

export const takeStep = (id: number, verb: string, rev: number, more: { waiver?: string } = {}) =>
  askJson<ItemRow>(`api/items/${id}/steps/${verb}`, {
    method: "POST", headers: { "If-Match": `"${rev}"` }, body: more.waiver ? JSON.stringify(more) : undefined,
  });

export const readComments = (id: number) => askJson<{ comments: Comment[] }>(`api/items/${id}/comments`).then((answer) => answer.comments);
export const addComment = (id: number, text: string, more: { at_xy?: [number, number]; thread?: number }) =>
  askWith<Comment>(`api/items/${id}/comments`, { text, ...more });
export const resolveComment = (id: number, comment: number, open: boolean) =>
  askWith<Comment>(`api/items/${id}/comments/${comment}`, { open });
export const readUsers = () => askJson<{ users: User[] }>("api/users").then((answer) => answer.users);
export const addUser = (name: string, role: Person["role"]) => askWith<User & { password: string }>("api/users", { name, role });
export const removeUser = (name: string) => askWith<object>(`api/users/${encodeURIComponent(name)}/remove`, {});
export const assign = (items: number[], people: string[], rule: Rule) =>
  askWith<{ items: ItemRow[] }>("api/assign", { items, people, rule }).then((answer) => answer.items);
/** Tell the others which image this page shows; the answer is who looks at which. */
export const look = (item: number) => askWith<{ looks: Look[] }>("api/presence", { item }).then((answer) => answer.looks);

export const sendEdit = (id: number, key: string, rev: number, body: Pixels) =>
  askJson<EditResult>(`api/items/${id}/edits`, {
    method: "POST", body,
    headers: { "Idempotency-Key": key, "If-Match": `"${rev}"`, "Content-Type": "application/octet-stream" },
  });

export const readRevisions = (id: number) => askJson<{ revisions: Revision[] }>(`api/items/${id}/revisions`).then((answer) => answer.revisions);
export const readDiff = (id: number, from: number, to: number) =>
  askJson<{ changes: ClassChange[] }>(`api/items/${id}/diff?from=${from}&to=${to}`).then((answer) => answer.changes);
export const restore = (id: number, rev: number) => askWith<ItemRow>(`api/items/${id}/restore`, { rev });
export const erase = (id: number, reason: string) => askWith<object>(`api/items/${id}/erase`, { reason });
export const copyLabels = (id: number, source: number) => askWith<ItemRow>(`api/items/${id}/copy`, { source });
export const addTag = (name: string, items?: number[]) => askWith<{ images: number }>("api/tags", { name, items });
/** Accept or return many images. */
export const takeSteps = (verb: "accept" | "return", items: { item: number; rev: number }[]) =>
  askWith<{ images: number; refused: string[] }>("api/steps", { verb, items });
export const readTags = () => askJson<{ tags: { name: string; at: string; images: number }[] }>("api/tags").then((answer) => answer.tags);
export const readFormats = () => askJson<{ formats: string[] }>("api/formats").then((answer) => answer.formats);
/** Long work of the project: the one that runs, or the last one. */
export interface Job {
  kind: "" | "order" | "import" | "export"; what: string; state: "none" | "running" | "finished" | "failed" | "cancelled";
  step: string; done: number; total: number; images: number; left_out: string[]; file: string; num_bytes: number; error: string;
}
export const readJob = () => askJson<Job>("api/job");
export const cancelJob = () => askWith<Job>("api/job/cancel", {});
export const beginExport = (format: string, tag: string) => askWith<Job>("api/export", { format, tag });
export const exportUrl = "api/export";

/** Send a ZIP with labels: `sent` gets the share that is on its way, `signal` ends it. `fetch` cannot tell the share. */
export function importZip(file: File, sent: (share: number) => void, signal: AbortSignal): Promise<Job> {
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    request.open("POST", `api/import?${new URLSearchParams({ name: file.name })}`);
    for (const [name, value] of [["X-Maskwright", "studio"], ["X-Client", client], ["Content-Type", "application/zip"]]) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => sent(total > 0 ? loaded / total : 0);
    request.onload = () => { if (request.status < 400) resolve(request.response as Job); else reject(new Refusal(request.status, request.response ?? {})); };
    request.onerror = () => reject(new Error(`${file.name}: the server does not answer`));
    request.onabort = () => reject(new Error(`${file.name}: cancelled; nothing was imported.`));
    signal.onabort = () => request.abort();
    request.send(file);
  });
}
export type Order = "scores" | "uncertainty" | "disagreement" | "rarity" | "queue" | "random";
export const orderWork = (order: Order, scores: Record<string, number>) => askWith<Pick<Job, "state" | "images">>("api/order", { order, scores });
export const findNext = () => askWith<ItemRow>("api/next", {});
export const readSettings = () => askJson<Settings>("api/settings");
export const changeSettings = (settings: Settings) => askWith<Settings>("api/settings", settings);
export const readReferences = () => askJson<{ references: { item: number; kind: ReferenceKind }[] }>("api/references").then((answer) => answer.references);
export const setReference = (id: number, kind: ReferenceKind) => askWith<ItemRow>(`api/items/${id}/reference`, { kind });
export const readPeople = () => askJson<{ people: PersonNumbers[] }>("api/people").then((answer) => answer.people);
export const readPractice = () => askJson<Practice>("api/practice");
export const readProgress = () => askJson<Progress>("api/progress");
export const readGuidelines = () => askJson<{ guidelines: Guideline[] }>("api/guidelines").then((answer) => answer.guidelines);
export const changeGuideline = (guideline: Guideline) => askWith<Guideline>("api/guidelines", guideline);
export const exampleUrl = (name: string, number: number) => `api/guidelines/${encodeURIComponent(name)}/${number}`;
/** A picture that lies over an image. */
export const readShade = (url: string, signal?: AbortSignal) => ask(url, { signal }).then((answer) => answer.blob()).then(createImageBitmap);
/** Superpixels: the one of each pixel of a smaller picture. */
export async function readCells(id: number, level: number): Promise<{ rows: number; columns: number; ids: Uint16Array }> {
  const content = await ask(`api/items/${id}/cells/${level}`).then((answer) => answer.arrayBuffer()), head = new DataView(content);
  const ids = await inflate(new Uint8Array(content, 8));
  return { rows: head.getUint32(0, true), columns: head.getUint32(4, true), ids: new Uint16Array(ids.buffer) };
}
export const shadeUrl = (id: number, kind: ShadeKind) => `api/items/${id}/shade/${kind}`;

/** Pixels of tiles by hash; the last ones are kept, so that undo does not wait. */
class Contents {
  private kept = new Map<Sha, Pixels>();
  private bytes = 0;

  keep(sha: Sha, pixels: Pixels): void {
    if (!this.kept.delete(sha)) this.bytes += pixels.length;
    this.kept.set(sha, pixels);
    for (const [oldest, old] of this.kept) {
      if (this.bytes <= MOST_KEPT_BYTES) break;
      this.kept.delete(oldest);
      this.bytes -= old.length;
    }
  }

  get(sha: Sha): Pixels | undefined { return this.kept.get(sha); }

  async read(shas: Sha[], show: (sha: Sha, pixels: Pixels) => void): Promise<void> {
    const missing: Sha[] = [];
    for (const sha of new Set(shas)) {
      const pixels = this.kept.get(sha);
      if (pixels) show(sha, pixels);
      else missing.push(sha);
    }
    const parts = Array.from({ length: Math.ceil(missing.length / TILES_ASKED) }, (_, i) =>
      missing.slice(i * TILES_ASKED, (i + 1) * TILES_ASKED));
    await Promise.all(parts.map(async (part) => {
      const answer = await ask(`api/tiles/${part.join(".")}`);
      const blobs = splitBlobs(new Uint8Array(await answer.arrayBuffer()));
      await Promise.all(blobs.map(async (blob, i) => {
        const pixels = await inflate(blob);
        rememberHash(pixels, part[i]);
        this.keep(part[i], pixels);
        show(part[i], pixels);
      }));
    }));
  }
}

export const contents = new Contents();
