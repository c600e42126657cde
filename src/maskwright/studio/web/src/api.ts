// The calls of the server: see `studio/api.py`.

import type { Pixels } from "./tilemap";
import { inflate, rememberHash, splitBlobs, type Sha, type TileRow } from "./wire";

export interface ClassDef { name: string; color: [number, number, number]; kind: string }
export const ROLES = ["viewer", "annotator", "reviewer", "manager", "admin"] as const;
export interface Person { name: string; role: typeof ROLES[number] }
export interface Project { name: string; person: Person; classes: ClassDef[]; tile_px: number; picture_px: number }
export type State = "new" | "in_progress" | "submitted" | "in_review" | "returned" | "accepted";
export interface ItemRow {
  id: number; key: string; split: string; group: string; state: State; rev: number;
  size_HW: [number, number] | null;
  annotator: string | null;
  reviewer: string | null;
  open_comments?: number;
  lease: { client: string; person: string; until: number } | null;
}
export interface Comment {
  id: number; thread: number | null; rev: number; at_xy: [number, number] | null;
  text: string; author: string; at: string; resolved_by: string | null;
}
export interface User { name: string; role: Person["role"] }
export interface Look { client: string; person: string; item: number }
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

export const logIn = (name: string, password: string) => askWith<object>("/api/login", { name, password });
export const logOut = () => askWith<object>("/api/logout", {});

export const readProject = () => askJson<Project>("/api/project");
export const readItems = () => askJson<{ items: ItemRow[] }>("/api/items").then((answer) => answer.items);
export const readItem = (id: number) => askJson<Item>(`/api/items/${id}`);
/** The edits of an image after a revision. */
export const readEdits = (id: number, after = 0) =>
  askJson<{ edits: LoggedEdit[] }>(`/api/items/${id}/edits?after=${after}`).then((answer) => answer.edits);

export const takeLease = (id: number, take: "" | "over" | "end" = "") =>
  askJson<ItemRow>(`/api/items/${id}/lease?take=${take}`, { method: "POST", keepalive: take === "end" });

export const takeStep = (id: number, verb: string, rev: number, more: { waiver?: string } = {}) =>
  askJson<ItemRow>(`/api/items/${id}/steps/${verb}`, {
    method: "POST", headers: { "If-Match": `"${rev}"` }, body: more.waiver ? JSON.stringify(more) : undefined,
  });

export const readComments = (id: number) => askJson<{ comments: Comment[] }>(`/api/items/${id}/comments`).then((answer) => answer.comments);
export const addComment = (id: number, text: string, more: { at_xy?: [number, number]; thread?: number }) =>
  askWith<Comment>(`/api/items/${id}/comments`, { text, ...more });
export const resolveComment = (id: number, comment: number, open: boolean) =>
  askWith<Comment>(`/api/items/${id}/comments/${comment}`, { open });
export const readUsers = () => askJson<{ users: User[] }>("/api/users").then((answer) => answer.users);
export const assign = (items: number[], people: string[], rule: Rule) =>
  askWith<{ items: ItemRow[] }>("/api/assign", { items, people, rule }).then((answer) => answer.items);
/** Tell the others which image this page shows; the answer is who looks at which. */
export const look = (item: number) => askWith<{ looks: Look[] }>("/api/presence", { item }).then((answer) => answer.looks);

export const sendEdit = (id: number, key: string, rev: number, body: Pixels) =>
  askJson<EditResult>(`/api/items/${id}/edits`, {
    method: "POST", body,
    headers: { "Idempotency-Key": key, "If-Match": `"${rev}"`, "Content-Type": "application/octet-stream" },
  });

export const pictureUrl = (id: number, level: number, column: number, row: number) =>
  `/api/items/${id}/picture/${level}/${column}/${row}`;

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
      const answer = await ask(`/api/tiles/${part.join(".")}`);
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
