// Keys. Every action of the page has one, so that it can be used without a pointer; a person may
// choose others, which this browser keeps.

import { find, make, TOOLS } from "./panels";
import { IGNORE } from "./raster";
import type { ToolName } from "./tools";

export interface Actions {
  tool(tool: ToolName): void;
  value(value: number): void;
  nextClass(by: number): void;
  undo(): void;
  redo(): void;
  bigger(by: number): void;
  over(): void;
  snap(): void;
  fillUnlabelled(): void;
  movePen(dx: number, dy: number): void;
  pressPen(isOutside: boolean): void;
  close(): void;
  hole(): void;
  back(): void;
  cancel(): void;
  zoom(factor: number): void;
  fit(): void;
  hide(): void;
  outline(): void;
  next(by: number): void;
  step(index: number): void;
  help(): void;
}

interface Binding { id: string; key: string; also?: string; text: string; act(act: Actions, shift: boolean): void }

const FAR_PX = 10;
const STORED = "keys";
const ARROWS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

const BINDINGS: Binding[] = [
  ...TOOLS.map(({ name, key, text, title }): Binding => ({ id: name, key, text: `${text}: ${title}`, act: (to) => to.tool(name) })),
  { id: "unlabelled", key: "v", text: "Choose unlabelled", act: (to) => to.value(IGNORE) },
  { id: "class-before", key: ",", text: "Choose the class above in the list", act: (to) => to.nextClass(-1) },
  { id: "class-after", key: ".", text: "Choose the class below in the list", act: (to) => to.nextClass(1) },
  { id: "smaller", key: "[", text: "Smaller brush", act: (to) => to.bigger(-1) },
  { id: "larger", key: "]", text: "Larger brush", act: (to) => to.bigger(1) },
  { id: "keep", key: "k", text: "Paint over all, unlabelled pixels alone, or also the classes above in the list", act: (to) => to.over() },
  { id: "snap", key: "s", text: "Snap corners of polygons to borders of labels, or not", act: (to) => to.snap() },
  { id: "fill", key: "g", text: "Fill all unlabelled pixels", act: (to) => to.fillUnlabelled() },
  { id: "press", key: " ", text: "Lower and lift the brush, set a corner, fill; with Shift a click outside of the object", act: (to, shift) => to.pressPen(shift) },
  { id: "close", key: "Enter", text: "Close the polygon or what the scissors cut, end the line, take the object, accept all that is proposed", act: (to) => to.close() },
  { id: "hole", key: "n", text: "Begin a hole in the polygon", act: (to) => to.hole() },
  { id: "back", key: "Backspace", text: "Take back the last corner", act: (to) => to.back() },
  { id: "undo", key: "Ctrl+z", text: "Undo", act: (to) => to.undo() },
  { id: "redo", key: "Ctrl+y", also: "Ctrl+Z", text: "Redo", act: (to) => to.redo() },
  { id: "in", key: "+", also: "=", text: "Zoom in at the pen", act: (to) => to.zoom(1.5) },
  { id: "out", key: "-", text: "Zoom out at the pen", act: (to) => to.zoom(1 / 1.5) },
  { id: "fit", key: "0", text: "Show the whole image", act: (to) => to.fit() },
  { id: "hide", key: "h", text: "Hide or show the labels", act: (to) => to.hide() },
  { id: "outline", key: "o", text: "Outlines only", act: (to) => to.outline() },
  { id: "next", key: "PageDown", text: "Next image", act: (to) => to.next(1) },
  { id: "previous", key: "PageUp", text: "Previous image", act: (to) => to.next(-1) },
  { id: "step", key: "Ctrl+Enter", text: "Submit; then accept; then reopen", act: (to) => to.step(0) },
  { id: "return", key: "Ctrl+Backspace", text: "Return what is submitted or in review", act: (to) => to.step(1) },
  { id: "help", key: "?", text: "These keys", act: (to) => to.help() },
];

/** Keys that stay as they are. */
const FIXED: [string, string][] = [
  ["1 to 9", "Choose a class"],
  ["Arrows", "Move the pen by 1 pixel, with Shift by 10"],
  ["Esc", "Take back what is not finished"],
];

export class KeyMap {
  private chosen: Record<string, string> = readChosen();

  keyOf(id: string): string {
    return this.chosen[id] ?? BINDINGS.find((binding) => binding.id === id)!.key;
  }

  find(key: string): Binding | undefined {
    return BINDINGS.find(({ id }) => this.keyOf(id) === key)
      ?? BINDINGS.find(({ id, also }) => also === key && this.chosen[id] === undefined);
  }

  /** Give an action another key; what is wrong with the key where it cannot be. */
  choose(id: string, key: string): string {
    if (/^[1-9]$|^(Ctrl\+)?(Arrow.*|Tab|Escape|Shift|Control|Alt|Meta)$/.test(key)) return `${nameKey(key)} cannot be chosen.`;
    const other = this.find(key);
    if (other && other.id !== id) return `${nameKey(key)} is the key of: ${other.text}.`;
    this.chosen[id] = key;
    localStorage.setItem(STORED, JSON.stringify(this.chosen));
    return "";
  }

  reset(): void {
    this.chosen = {};
    localStorage.removeItem(STORED);
  }
}

function readChosen(): Record<string, string> {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    const known = Object.entries(kept as object).filter(([id, key]) => typeof key === "string" && BINDINGS.some((binding) => binding.id === id));
    return Object.fromEntries(known);
  } catch {
    return {};
  }
}

export function nameKey(key: string): string {
  const names: Record<string, string> = { " ": "Space", PageDown: "Page Down", PageUp: "Page Up" };
  const prefix = key.startsWith("Ctrl+") ? "Ctrl+" : "", plain = key.slice(prefix.length);
  return prefix + (names[plain] ?? (plain.length === 1 ? plain.toUpperCase() : plain));
}

function readKey(event: KeyboardEvent): string {
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + event.key;
}

/** List the keys; a click on one and the next key replace it. */
export function showKeys(keys: KeyMap, changed: () => void): void {
  const row = (head: Node, text: string) => make("tr", {}, make("th", {}, head), make("td", { textContent: text }));
  const say = (text: string) => { find("keys-note").textContent = text; };
  const editable = BINDINGS.map(({ id, text }) => {
    const button = make("button", { textContent: nameKey(keys.keyOf(id)), ariaLabel: `Key of: ${text}` });
    button.onclick = () => { button.textContent = "Press a key"; button.dataset.waits = ""; };
    button.onblur = () => { delete button.dataset.waits; button.textContent = nameKey(keys.keyOf(id)); };
    button.onkeydown = (event) => {
      const modifier = ["Shift", "Control", "Alt", "Meta"].includes(event.key);
      if (button.dataset.waits === undefined || modifier) return;
      event.preventDefault();
      event.stopPropagation();
      const refused = event.key === "Escape" ? "" : keys.choose(id, readKey(event));
      button.blur();
      button.focus();
      say(refused);
      changed();
    };
    return row(button, text);
  });
  const fixed = FIXED.map(([key, text]) => row(make("kbd", { textContent: key }), text));
  find("keys").replaceChildren(...fixed, ...editable);
  find("keys-reset").onclick = () => { keys.reset(); say(""); showKeys(keys, changed); changed(); };
}

export function bindKeys(act: Actions, keys: KeyMap): void {
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const types = target.matches("input[type=search], input[type=text], input[type=password], textarea, select, dialog *");
    const presses = target.matches("button, input") && [" ", "Enter"].includes(event.key);
    const slides = target.matches("input") && event.key in ARROWS;
    if (types || event.altKey) return;
    const withCtrl = event.ctrlKey || event.metaKey;
    if (!withCtrl && (presses || slides)) return;
    const arrow = withCtrl ? undefined : ARROWS[event.key];
    const found = arrow ? undefined : findAction(event, act, keys);
    if (!found && !arrow) return;
    event.preventDefault();
    const step = event.shiftKey ? FAR_PX : 1;
    if (arrow) act.movePen(arrow[0] * step, arrow[1] * step);
    else found?.();
  });
}

function findAction(event: KeyboardEvent, act: Actions, keys: KeyMap): (() => void) | undefined {
  const key = readKey(event);
  if (key === "Escape") return act.cancel;
  if (/^[1-9]$/.test(key)) return () => act.value(Number(key) - 1);
  const binding = keys.find(key);
  return binding && (() => binding.act(act, event.shiftKey));
}
