// Whose work images are: a manager deals out those that are listed.

import { assign, readUsers, type ItemRow, type Rule } from "./api";
import { find, make, showNotice } from "./panels";

/** Let a manager assign the listed images, or the open one. */
export function bindAssignment(listed: () => ItemRow[], open: () => number | undefined, put: (rows: ItemRow[]) => void): void {
  const dialog = find<HTMLDialogElement>("assign"), scope = find<HTMLSelectElement>("assign-scope");
  const choose = () => (scope.value === "open" ? listed().filter(({ id }) => id === open()) : listed().filter(({ state }) => state !== "accepted"));
  const count = () => { find("assign-count").textContent = `${choose().length} images that are not accepted`; };
  find("show-assign").onclick = () => {
    readUsers().then((users) => {
      find("assign-people").replaceChildren(...users.filter(({ role }) => role !== "viewer").map(({ name, role }) =>
        make("label", {}, make("input", { type: "checkbox", value: name, checked: role === "annotator" }), `${name} (${role})`)));
      count();
      dialog.showModal();
    }, (error: Error) => showNotice(error.message));
  };
  scope.onchange = count;
  const send = (people: string[]) => {
    const items = choose().map(({ id }) => id);
    dialog.close();
    if (items.length > 0) assign(items, people, find<HTMLSelectElement>("assign-rule").value as Rule).then(put, (error: Error) => showNotice(error.message));
  };
  find("assign-go").onclick = () => {
    const people = [...document.querySelectorAll<HTMLInputElement>("#assign-people input:checked")].map(({ value }) => value);
    if (people.length > 0) send(people);
  };
  find("assign-free").onclick = () => send([]);
}
