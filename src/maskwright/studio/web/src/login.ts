// Log in: where people have names, the page asks for one before it shows anything.

import { logIn, logOut, Refusal, type Person } from "./api";
import { find } from "./panels";

/** Do the work, after a person has logged in where the server asks for it. */
export async function withLogin<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Refusal) || error.answer.why !== "login") throw error;
      await askForPerson();
    }
  }
}

let me = "";
let asks: Promise<void> | null = null;

/** Ask for the person again whose session has ended, once for all calls; another one gets a page of the own. */
export function logInAgain(): Promise<void> {
  asks ??= askForPerson().then(() => { if (find<HTMLInputElement>("login-name").value !== me) location.reload(); }).finally(() => { asks = null; });
  return asks;
}

function askForPerson(): Promise<void> {
  const dialog = find<HTMLDialogElement>("login"), note = find("login-note");
  const name = find<HTMLInputElement>("login-name"), password = find<HTMLInputElement>("login-password");
  dialog.oncancel = (event) => event.preventDefault();
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    find("login-form").onsubmit = (event) => {
      event.preventDefault();
      note.textContent = "";
      logIn(name.value, password.value).then(() => { dialog.close(); resolve(); }, (error: Error) => { note.textContent = error.message; })
        .finally(() => { password.value = ""; });
    };
  });
}

export function showPerson(person: Person): void {
  const named = person.name !== "local", button = find("log-out");
  me = person.name;
  find("person").textContent = named ? `${person.name}, ${person.role}` : "";
  button.hidden = !named;
  button.onclick = () => void logOut().finally(() => location.reload());
}
