// How picture and labels are shown; nothing of it changes the data.

import { comparePairs, type Pair } from "./contrast";
import type { Rgb } from "./palettes";
import { find, make } from "./panels";

/** Call `act` with the value of a slider, now and when it is moved. */
export function followSlider(id: string, unit: string, act: (value: number) => void): void {
  const input = find<HTMLInputElement>(id);
  const show = () => { find(`${id}-value`).textContent = input.value + unit; act(Number(input.value)); };
  input.oninput = show;
  show();
}

export function bindDisplay(): void {
  followSlider("opacity", " %", (value) => { find("labels").style.opacity = String(value / 100); });
  const light = () => {
    const [brightness, contrast, gamma] = ["brightness", "contrast", "gamma"].map((id) => Number(find<HTMLInputElement>(id).value));
    // A gamma above 1 makes dark parts lighter, as in image viewers: the exponent is its inverse.
    for (const channel of document.querySelectorAll("#gamma-filter [type=gamma]")) channel.setAttribute("exponent", String(100 / gamma));
    find("picture").style.filter = `brightness(${brightness}%) contrast(${contrast}%)${gamma === 100 ? "" : " url(#gamma-filter)"}`;
  };
  for (const id of ["brightness", "contrast", "gamma"]) followSlider(id, " %", light);
}

/** Say which classes are hardest to tell apart; the table has all pairs once it is opened. */
export function showContrast(names: string[], colors: Rgb[]): void {
  const details = find<HTMLDetailsElement>("nearest-colors"), pairs = comparePairs(colors);
  details.hidden = pairs.length === 0;
  if (details.hidden) return;
  const name = ({ one, other }: Pair) => `${names[one]}, ${names[other]}`;
  find("nearest-pair").textContent = `${name(pairs[0])}: ${pairs[0].all.toFixed(0)}`;
  const row = (tag: "th" | "td", cells: string[]) => make("tr", {}, ...cells.map((textContent) => make(tag, { textContent })));
  const fill = () => {
    if (!details.open) return;
    find("color-pairs").replaceChildren(row("th", ["Classes", "All colours", "Colour-blind"]),
      ...pairs.map((pair) => row("td", [name(pair), pair.all.toFixed(0), pair.blind.toFixed(0)])));
  };
  details.ontoggle = fill;
  fill();
}
