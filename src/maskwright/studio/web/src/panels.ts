// Lists and buttons around the image. Names come from files and are only ever set as text.

import { ROLES, type ClassDef, type ItemRow, type Person, type State } from "./api";
import { makeIcon, type IconName } from "./icons";
import { IGNORE } from "./raster";
import type { Settings, ToolName } from "./tools";

export interface Tool { name: ToolName; key: string; text: string; title: string }
export const TOOLS: readonly Tool[] = [
  { name: "brush", key: "b", text: "Brush", title: "Paint with a round brush" },
  { name: "eraser", key: "e", text: "Eraser", title: "Make pixels unlabelled" },
  { name: "polygon", key: "p", text: "Polygon", title: "Click corners; Enter closes, N begins a hole, Backspace takes one back" },
  { name: "scissors", key: "x", text: "Scissors", title: "Click along an object: the line follows its edges; Enter closes, N begins a hole, Backspace takes one back" },
  { name: "line", key: "i", text: "Line", title: "Click corners; Enter ends it" },
  { name: "flood", key: "f", text: "Fill", title: "Fill a connected region" },
  { name: "replace", key: "r", text: "Swap", title: "Click a class to swap it for the chosen one in the whole image" },
  { name: "wand", key: "w", text: "Wand", title: "Take pixels of a like colour; drag right for more, left for fewer" },
  { name: "cells", key: "u", text: "Superpixels", title: "Click or drag over superpixels" },
  { name: "proposal", key: "a", text: "Proposal", title: "Accept the region that a model or other frames propose; Enter accepts all" },
  { name: "object", key: "d", text: "Object", title: "Click an object or drag a box around it; Shift and a click say what is not of it; Enter takes it" },
  { name: "ruler", key: "l", text: "Ruler", title: "Drag to measure a length in pixels" },
  { name: "comment", key: "c", text: "Comment", title: "Click a place to say something about it" },
  { name: "move", key: "m", text: "Move", title: "Move the image; the middle button does it too" },
];

export const STATES: Record<State, string> = {
  new: "new", in_progress: "in progress", submitted: "submitted", in_review: "in review", returned: "returned", accepted: "accepted",
};

export interface Step { verb: string; text: string; role: Person["role"] }
const SUBMIT: Step = { verb: "submit", text: "Submit", role: "annotator" };
const ACCEPT: Step = { verb: "accept", text: "Accept", role: "reviewer" };
const RETURN: Step = { verb: "return", text: "Return", role: "reviewer" };
const STEPS: Record<State, Step[]> = {
  new: [SUBMIT], in_progress: [SUBMIT], returned: [SUBMIT],
  submitted: [ACCEPT, RETURN, { verb: "review", text: "Review", role: "reviewer" }],
  in_review: [ACCEPT, RETURN],
  accepted: [{ verb: "reopen", text: "Reopen", role: "manager" }],
};

/** The steps that a person may take with an image; nobody accepts the own work, and copies are not accepted. */
export const listSteps = ({ state, annotator, source }: ItemRow, person: Person): Step[] => STEPS[state].filter(({ role, verb }) => {
  const isOwn = annotator === person.name, isFree = annotator === null || person.name === "local";
  if (!may(person, role) || (source && !["submit", "return"].includes(verb))) return false;
  return verb === "submit" ? isOwn || isFree : verb !== "accept" || !isOwn;
});

export const may = (person: Person, role: Person["role"]): boolean => ROLES.indexOf(person.role) >= ROLES.indexOf(role);

export const find = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, values: Partial<HTMLElementTagNameMap[K]> = {}, ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
}

export const countImages = (number: number): string => `${number} ${number === 1 ? "image" : "images"}`;

/** What is done at once by a button beside the tools. */
export interface Act { icon: IconName; text: string; title: string; key: string; act: () => void }

export function showTools(tools: readonly Tool[], settings: Settings, keyOf: (tool: ToolName) => string, choose: (tool: ToolName) => void, acts: Act[]): void {
  const button = (icon: IconName, text: string, title: string, key: string, onclick: () => void) => {
    const made = make("button", { title: `${text} (${key}): ${title}`, ariaLabel: text, onclick }, makeIcon(icon));
    if (key.length === 1) made.dataset.key = key;
    return made;
  };
  const buttons = tools.map(({ name, text, title }) => {
    const made = button(name, text, title, keyOf(name), () => choose(name));
    made.dataset.tool = name;
    return made;
  });
  const others = acts.map(({ icon, text, title, key, act }) => button(icon, text, title, key, act));
  find("tools").replaceChildren(...buttons, make("span", { className: "gap" }), ...others);
  markTool(settings.tool);
}

/** The settings in the bar above the image that each tool has. */
const SETTINGS: Partial<Record<ToolName, string[]>> = {
  brush: ["size", "mode"], eraser: ["size"], line: ["size", "mode", "snap"], polygon: ["mode", "snap"], scissors: ["mode"],
  flood: ["mode"], wand: ["wand", "mode"], cells: ["cells", "mode"], proposal: ["proposal", "mode"], object: ["object", "mode"],
};

export function markTool(tool: ToolName): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("#tools [data-tool]")) {
    button.ariaPressed = String(button.dataset.tool === tool);
  }
  for (const part of document.querySelectorAll<HTMLElement>("#options [data-of]")) part.hidden = !SETTINGS[tool]?.includes(part.dataset.of!);
  const { text, title } = TOOLS.find(({ name }) => name === tool)!;
  find("hint").replaceChildren(make("strong", { textContent: text }), ` ${title}`);
}

/** The key of a class: digits for the first nine, none for the others. */
export function keyOf(value: number): string {
  if (value === IGNORE) return "V";
  return value < 9 ? String(value + 1) : "";
}

export interface ClassActions {
  choose(value: number): void;
  toggleLock(value: number): void;
  toggleHidden(value: number): void;
}

export function showClasses(
  classes: ClassDef[], colors: [number, number, number][], settings: Settings, hidden: Set<number>, act: ClassActions,
): void {
  const rows = [...classes.map((entry, index) => [index, entry.name] as const), [IGNORE, "unlabelled"] as const];
  find("classes").replaceChildren(...rows.map(([value, name]) => {
    const swatch = make("span", { className: value === IGNORE ? "swatch void" : "swatch" });
    if (value !== IGNORE) swatch.style.background = `rgb(${colors[value].join(" ")})`;
    const chosen = make("button", { className: "class", onclick: () => act.choose(value) },
      swatch, make("span", { className: "name", textContent: name }), make("kbd", { textContent: keyOf(value) }));
    chosen.ariaPressed = String(settings.value === value);
    return make("li", {}, chosen,
      toggle(["unlocked", "locked"], `Lock ${name}: nothing is painted over it`, settings.locked.has(value), () => act.toggleLock(value), "paints"),
      toggle(["seen", "hidden"], `Hide ${name}`, hidden.has(value), () => act.toggleHidden(value)));
  }));
}

function toggle(icons: [IconName, IconName], title: string, on: boolean, act: () => void, kind = ""): HTMLButtonElement {
  const button = make("button", { className: `toggle ${kind}`, title, ariaLabel: title, onclick: act }, makeIcon(icons[Number(on)]));
  button.ariaPressed = String(on);
  return button;
}

/** A message over the image, with buttons that answer it. */
export function showNotice(text: string, answers: [string, () => void][] = []): void {
  const notice = find("notice");
  const close = () => { notice.hidden = true; };
  notice.hidden = text === "";
  notice.replaceChildren(make("span", { textContent: text }), ...answers.map(([name, act]) =>
    make("button", { textContent: name, onclick: () => { close(); act(); } })));
}

/** Open a dialog; the first control has no frame before somebody uses the keyboard. */
export function openDialog(id: string): void {
  const dialog = find<HTMLDialogElement>(id);
  dialog.showModal();
  dialog.focus();
}

/** Whether a form was left by its button Cancel. */
export const isCancelled = ({ submitter }: SubmitEvent): boolean => (submitter as HTMLButtonElement | null)?.value === "cancel";

/** Ask why, before something is done that needs a reason. */
export function askReason(act: (reason: string) => void): void {
  const dialog = find<HTMLDialogElement>("reason"), text = find<HTMLInputElement>("reason-text");
  text.value = "";
  find("reason-form").onsubmit = (event) => { if (!isCancelled(event) && text.value.trim()) act(text.value.trim()); };
  dialog.showModal();
}

export function showTab(name: string): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-tab]")) {
    button.ariaPressed = String(button.dataset.tab === name);
    find(`tab-${button.dataset.tab}`).hidden = button.dataset.tab !== name;
  }
  find("panel").classList.add("open");
  find("show-panel").ariaExpanded = "true";
}

/** On small screens, the list lies over the image. */
export function closeList(): void {
  find("images").classList.remove("open");
  find("show-images").ariaExpanded = "false";
}

/** Tabs of the panel, and on small screens the buttons that show it and the list. */
export function bindTabs(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-tab]")) button.onclick = () => showTab(button.dataset.tab!);
  for (const [button, panel] of [["show-images", "images"], ["show-panel", "panel"]] as const) {
    find(button).prepend(makeIcon(panel));
    find(button).onclick = () => { find(button).ariaExpanded = String(find(panel).classList.toggle("open")); };
  }
}
