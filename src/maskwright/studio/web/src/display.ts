// How picture and labels are shown; nothing of it changes the data.

import { find } from "./panels";

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
