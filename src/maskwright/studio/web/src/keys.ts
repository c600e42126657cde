// Keys. Every action of the page has one, so that it can be used without a pointer.

import { IGNORE } from "./raster";
import { TOOLS } from "./panels";
import type { ToolName } from "./tools";

export interface Actions {
  tool(tool: ToolName): void;
  value(value: number): void;
  undo(): void;
  redo(): void;
  bigger(by: number): void;
  keep(): void;
  fillUnlabelled(): void;
  movePen(dx: number, dy: number): void;
  pressPen(): void;
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

const FAR_PX = 10;

export const KEYS: [string, string][] = [
  ...TOOLS.map(({ key, text, title }): [string, string] => [key.toUpperCase(), `${text}: ${title}`]),
  ["1 to 9", "Choose a class"],
  ["V", "Choose unlabelled"],
  ["[ and ]", "Smaller and larger brush"],
  ["K", "Paint over all, or over unlabelled pixels only"],
  ["G", "Fill all unlabelled pixels"],
  ["Arrows", "Move the pen by 1 pixel, with Shift by 10"],
  ["Space", "Lower and lift the brush, set a corner, fill"],
  ["Enter", "Close the polygon"],
  ["N", "Begin a hole in the polygon"],
  ["Backspace", "Take back the last corner"],
  ["Esc", "Take back what is not finished"],
  ["Ctrl+Z, Ctrl+Y", "Undo, redo"],
  ["+ and -", "Zoom in and out at the pen"],
  ["0", "Show the whole image"],
  ["H", "Hide or show the labels"],
  ["O", "Outlines only"],
  ["Page Down, Page Up", "Next and previous image"],
  ["Ctrl+Enter", "Submit; then accept; then reopen"],
  ["Ctrl+Backspace", "Return a submitted image"],
  ["?", "These keys"],
];

export function bindKeys(act: Actions): void {
  const plain: Record<string, () => void> = {
    v: () => act.value(IGNORE), "[": () => act.bigger(-1), "]": () => act.bigger(1),
    k: act.keep, g: act.fillUnlabelled, " ": act.pressPen, Enter: act.close, n: act.hole,
    Backspace: act.back, Escape: act.cancel, "+": () => act.zoom(1.5), "=": () => act.zoom(1.5),
    "-": () => act.zoom(1 / 1.5), "0": act.fit, h: act.hide, o: act.outline, "?": act.help,
    PageDown: () => act.next(1), PageUp: () => act.next(-1),
  };
  const ctrl: Record<string, () => void> = {
    z: act.undo, y: act.redo, Z: act.redo, Enter: () => act.step(0), Backspace: () => act.step(1),
  };
  const arrows: Record<string, [number, number]> = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
  };
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const types = target.matches("input[type=search], select, dialog *");
    const presses = target.matches("button, input") && [" ", "Enter"].includes(event.key);
    const slides = target.matches("input") && event.key in arrows;
    if (types || event.altKey) return;
    const withCtrl = event.ctrlKey || event.metaKey;
    if (!withCtrl && (presses || slides)) return;
    const found = withCtrl ? ctrl[event.key] : plain[event.key] ?? findOther(event.key, act);
    const arrow = arrows[event.key];
    if (!found && (!arrow || withCtrl)) return;
    event.preventDefault();
    const step = event.shiftKey ? FAR_PX : 1;
    if (arrow) act.movePen(arrow[0] * step, arrow[1] * step);
    else found?.();
  });
}

function findOther(key: string, act: Actions): (() => void) | undefined {
  const tool = TOOLS.find((entry) => entry.key === key);
  if (tool) return () => act.tool(tool.name);
  return /^[1-9]$/.test(key) ? () => act.value(Number(key) - 1) : undefined;
}
