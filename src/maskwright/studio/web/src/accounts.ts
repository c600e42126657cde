// Accounts, for admins: who logs in, with which role, and new passwords.

import { addUser, readUsers, removeUser, ROLES, type Person } from "./api";
import { find, make, may } from "./panels";

export class Accounts {
  constructor(private readonly me: Person) {
    find<HTMLSelectElement>("account-role").replaceChildren(...ROLES.map((value) => make("option", { value, textContent: value })));
    find("account-remove").onclick = () => void this.remove();
    find("account-form").onsubmit = (event) => { event.preventDefault(); void this.add(); };
  }

  /** List the accounts; a click on one takes its name and role into the form. */
  async show(): Promise<void> {
    if (!may(this.me, "admin")) return;
    const users = await readUsers(), select = find<HTMLSelectElement>("account-role");
    find("account-remove").hidden = users.length === 0;
    find("accounts-first").hidden = users.length > 0;
    select.disabled = users.length === 0;
    if (select.disabled) select.value = "admin";
    find("accounts").replaceChildren(...users.map(({ name, role }) => make("button", {
      type: "button", textContent: `${name}, ${role}`,
      onclick: () => { find<HTMLInputElement>("account-name").value = name; find<HTMLSelectElement>("account-role").value = role; },
    })));
  }

  private async remove(): Promise<void> {
    const name = find<HTMLInputElement>("account-name").value.trim(), note = find("account-note");
    try {
      if (!name) throw new Error("Choose an account first.");
      await removeUser(name);
      note.textContent = `${name} is removed, and does not log in any more. Images of ${name} are assigned anew with Bulk.`;
      await this.show();
    } catch (error) {
      note.textContent = (error as Error).message;
    }
  }

  private async add(): Promise<void> {
    const say = (text: string) => { find("account-note").textContent = text; };
    try {
      const name = find<HTMLInputElement>("account-name").value, role = find<HTMLSelectElement>("account-role").value as Person["role"];
      const { password } = await addUser(name, role);
      const ends = this.me.name === "local" ? " This page is shut now: keep the password, then load it again." : "";
      say(`${name} (${role}) logs in with the password ${password}. It is not shown again.${ends}`);
      if (this.me.name !== "local") await this.show();
    } catch (error) {
      say((error as Error).message);
    }
  }
}
