// Which channels of the images are shown, and which of their values are black and white: for images of
// several bands, and for those that are wider than 8 bits. This browser keeps the choice.

import type { Project } from "./api";
import { find, make } from "./panels";
import { showValues } from "./picture";

interface Choice { channels: number[]; black: string; white: string }

const COLORS = ["red", "green", "blue"];

/** `changed` is called when another choice is shown. */
export function bindValues(project: Project, changed: () => void): void {
  const { channels, shown, is_wide } = project, stored = `values-${project.name}`;
  const first: Choice = { channels: COLORS.map((_, at) => shown[at] ?? shown[0]), black: "", white: "" };
  const hasBands = channels.length > 1 && !(channels.length === 3 && !is_wide);
  find("values").hidden = !hasBands && !is_wide;
  if (find("values").hidden) return;
  find("values-window").hidden = !is_wide;
  const selects = hasBands ? COLORS.map((_, at) => makeSelect(at, channels)) : [];
  find("values-channels").replaceChildren(...selects.flatMap((select, at) => [make("label", { htmlFor: select.id, textContent: `Band shown as ${COLORS[at]}` }), select]));
  const inputs = ["black", "white"].map((id) => find<HTMLInputElement>(id));
  const fill = ({ channels: chosen, black, white }: Choice) => {
    selects.forEach((select, at) => { select.value = String(chosen[at]); });
    [inputs[0].value, inputs[1].value] = [black, white];
  };
  const show = () => {
    const [black, white] = inputs.map(({ value }) => value), fault = findFault(black, white);
    find("values-note").textContent = fault;
    if (fault) return;
    const choice = { channels: selects.map(({ value }) => Number(value)), black, white };
    localStorage.setItem(stored, JSON.stringify(choice));
    showValues(makeQuery(choice, first));
    changed();
  };
  for (const control of [...selects, ...inputs]) control.onchange = show;
  find("values-reset").onclick = () => { fill(first); show(); };
  fill(readChoice(stored, first));
  show();
}

function makeSelect(at: number, channels: string[]): HTMLSelectElement {
  const options = channels.map((name, index) => make("option", { value: String(index), textContent: name }));
  return make("select", { id: `channel-${at}` }, ...options);
}

function findFault(black: string, white: string): string {
  if ((black === "") !== (white === "")) return "Give both, or none: then the percentiles of each image are taken.";
  return black !== "" && Number(black) >= Number(white) ? "White is a higher value than black." : "";
}

function makeQuery({ channels, black, white }: Choice, first: Choice): string {
  const query = new URLSearchParams();
  if (channels.some((channel, at) => channel !== first.channels[at])) query.set("channels", channels.join(","));
  if (black !== "") { query.set("black", black); query.set("white", white); }
  return query.size > 0 ? `?${query}` : "";
}

function readChoice(stored: string, first: Choice): Choice {
  try {
    const kept = { ...first, ...JSON.parse(localStorage.getItem(stored) ?? "{}") as Partial<Choice> };
    return kept.channels.length === first.channels.length ? kept : { ...kept, channels: first.channels };
  } catch {
    return first;
  }
}
