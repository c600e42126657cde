// Accepted images that judge the work of others, as managers choose them.

import { readReferences, setReference, type Person, type ReferenceKind, type State } from "./api";
import { find, may, showNotice } from "./panels";

export class References {
  private known = new Map<number, ReferenceKind>();
  private item = 0;
  private readonly select = find<HTMLSelectElement>("reference-kind");

  constructor(private readonly me: Person) {
    this.select.onchange = () => {
      const kind = this.select.value as ReferenceKind;
      setReference(this.item, kind).then(() => this.known.set(this.item, kind), (error: Error) => showNotice(error.message));
    };
    if (may(me, "manager")) void readReferences().then((rows) => { for (const { item, kind } of rows) this.known.set(item, kind); });
  }

  show(item: number, state: State): void {
    find("reference").hidden = state !== "accepted" || !may(this.me, "manager");
    if (this.item !== item) this.select.value = this.known.get(item) ?? "";
    this.item = item;
  }
}
