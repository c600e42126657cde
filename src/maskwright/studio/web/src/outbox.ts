// Edits on their way to the server. Each stands in IndexedDB until the server has acknowledged it,
// so that a page that is closed or killed sends it when it is opened again. They go one by one, in
// their order; one that the server refuses is set aside with all that follow it.

import { Refusal, sendEdit, type EditResult } from "./api";
import { logInAgain } from "./login";
import type { Pixels } from "./tilemap";
import type { EditHeader } from "./wire";

export interface Pending {
  id?: number;
  item: number;
  key: string;
  rev: number;
  header: EditHeader;
  body: Pixels;
  /** Refused by the server; a person decides. */
  aside: boolean;
}

export interface Saving { waiting: number; trouble: string }

const STORE = "edits";
const LONGEST_WAIT_MS = 5000;

/** Faults of the server, of its disk or of a proxy before it, and people who have to log in again. */
const mayTakeLater = ({ status }: Refusal): boolean => status >= 500 || [401, 408, 429].includes(status);

function settle<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class Outbox {
  private waiting: Pending[] = [];
  private sends = false;
  private trouble = "";
  /** Why this browser keeps no edits; "" where it does. */
  private fault = "";
  private keeps = new WeakMap<Pending, Promise<void>>();

  private constructor(
    private readonly database: IDBDatabase,
    private readonly show: (saving: Saving) => void,
    private readonly done: (pending: Pending, result: EditResult) => void,
    private readonly refused: (pending: Pending, refusal: Refusal) => void,
  ) {}

  static async open(
    show: (saving: Saving) => void,
    done: (pending: Pending, result: EditResult) => void,
    refused: (pending: Pending, refusal: Refusal) => void,
  ): Promise<Outbox> {
    const request = indexedDB.open(`studio-${location.host}${location.pathname.replace(/\/$/, "")}`, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
    return new Outbox(await settle(request), show, done, refused);
  }

  /** Edits of one image that were not acknowledged when a page ended, or were refused. */
  async list(item: number): Promise<Pending[]> {
    const all = await settle(this.store("readonly").getAll()) as Pending[];
    return all.filter((pending) => pending.item === item);
  }

  /**
   * Keep an edit and send it, both at once; one with a number replaces the one that had it. What
   * this browser cannot keep is sent all the same.
   */
  async add(pending: Pending): Promise<void> {
    const kept = this.keep(pending).then(() => { this.fault = ""; }, (error: Error) => {
      this.fault = `this browser cannot keep edits (${error.message}); do not close the page`;
    });
    this.keeps.set(pending, kept);
    this.send(pending);
    await kept;
  }

  private async keep(pending: Pending): Promise<void> {
    pending.id = await settle(this.store("readwrite").put(pending)) as number;
  }

  /** Send an edit that stands in IndexedDB already. */
  send(pending: Pending): void {
    this.waiting.push(pending);
    this.tell();
    void this.run();
  }

  async drop(pending: Pending): Promise<void> {
    await this.keeps.get(pending);
    if (pending.id !== undefined) await settle(this.store("readwrite").delete(pending.id));
  }

  get isEmpty(): boolean { return this.waiting.length === 0; }

  async whenEmpty(): Promise<void> {
    while (!this.isEmpty || this.sends) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  private async run(): Promise<void> {
    if (this.sends) return;
    this.sends = true;
    // An edit is saved when the server says so: nobody waits until it is removed from this browser.
    while (this.waiting.length > 0) await Promise.all(await this.sendAll());
    this.sends = false;
  }

  /** Send what waits; the removals of what the server has taken. */
  private async sendAll(): Promise<Promise<void>[]> {
    const drops: Promise<void>[] = [];
    let wait_ms = 250;
    while (this.waiting.length > 0) {
      const pending = this.waiting[0];
      try {
        const result = await sendEdit(pending.item, pending.key, pending.rev, pending.body);
        drops.push(this.drop(pending));
        this.waiting.shift();
        this.trouble = "";
        wait_ms = 250;
        this.done(pending, result);
      } catch (error) {
        if (error instanceof Refusal && !mayTakeLater(error)) {
          await this.setAside(pending.item);
          this.refused(pending, error);
        } else {
          if (error instanceof Refusal && error.answer.why === "login") void logInAgain();
          this.trouble = error instanceof Refusal ? error.message : "the server does not answer";
          this.tell();
          await new Promise((resolve) => setTimeout(resolve, wait_ms));
          wait_ms = Math.min(LONGEST_WAIT_MS, 2 * wait_ms);
        }
      }
      this.tell();
    }
    return drops;
  }

  private async setAside(item: number): Promise<void> {
    const of = this.waiting.filter((pending) => pending.item === item);
    this.waiting = this.waiting.filter((pending) => pending.item !== item);
    for (const pending of of) {
      pending.aside = true;
      await this.keeps.get(pending);
      await this.keep(pending);
    }
  }

  private tell(): void {
    this.show({ waiting: this.waiting.length, trouble: this.trouble || this.fault });
  }

  private store(mode: IDBTransactionMode): IDBObjectStore {
    return this.database.transaction(STORE, mode).objectStore(STORE);
  }
}
