// Icons of the buttons, as lines on a square of 24.

const LINES = {
  brush: "M14.5 4.5l5 5-8.5 8.5-5-5z M6 13c-2.6 1-1.6 5-3.5 6.6C5 21 9.5 20.6 11 18",
  eraser: "M8 20h12 M4.5 14.500l9-10 6.5 6-9 9.500H8z M9 9.500l6.5 6",
  polygon: "M12 3.500l8.5 6.5-3.5 10H7l-3.5-10z",
  scissors: "M8.6 6.500a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0z M8.6 17.500a2.6 2.6 0 1 1-5.2 0 2.6 2.6 0 0 1 5.2 0z M8.3 8L20.5 18.5 M8.3 16L20.5 5.5",
  line: "M3.5 18.500l6-10 5 6 6-10",
  flood: "M10.5 3.500l8 8-7 7a1.5 1.5 0 0 1-2 0L4 13a1.5 1.5 0 0 1 0-2z M4 12h14 M20.5 15.500c1 1.6 1.5 2.4 1.5 3.200a1.6 1.6 0 0 1-3.2 0c0-.8.7-1.6 1.7-3.200z",
  replace: "M4 8.500h15l-4-4 M20 15.500H5l4 4",
  wand: "M4 20L15 9 M17.5 2.500v5 M15 5h5 M20 11v4 M18 13h4 M9 3.500v4 M7 5.500h4",
  cells: "M7.5 3l4 2.300v4.600l-4 2.3-4-2.300V5.300z M16.5 3l4 2.300v4.600l-4 2.3-4-2.300V5.300z M12 11.800l4 2.300v4.600L12 21l-4-2.300v-4.600z",
  proposal: "M12 3l2.3 6.700L21 12l-6.7 2.300L12 21l-2.3-6.700L3 12l6.7-2.300z",
  object: "M4 8V4h4 M16 4h4v4 M20 16v4h-4 M8 20H4v-4 M12 8.500v7 M8.5 12h7",
  ruler: "M3 16.500L16.5 3 21 7.5 7.5 21z M7 12.500l2 2 M10 9.500l1.5 1.5 M13 6.500l2 2",
  comment: "M4 5h16v11h-9l-5 4v-4H4z",
  move: "M12 3v18 M3 12h18 M9.5 5.500L12 3l2.5 2.5 M9.5 18.500L12 21l2.5-2.5 M5.5 9.500L3 12l2.5 2.5 M18.5 9.500L21 12l-2.5 2.5",
  fill: "M4 4h16v16H4z M4 13l9-9 M4 20L20 4 M11 20l9-9",
  undo: "M8 4.500l-4 4 4 4 M4 8.500h10a5.5 5.5 0 0 1 0 11h-4",
  redo: "M16 4.500l4 4-4 4 M20 8.500H10a5.5 5.5 0 0 0 0 11h4",
  finish: "M4.5 12.500l5 5 10-11",
  fit: "M4 9V4h5 M15 4h5v5 M20 15v5h-5 M9 20H4v-5",
  locked: "M6 11h12v9H6z M8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlocked: "M6 11h12v9H6z M8.5 11V7.500a3.5 3.5 0 0 1 6.8-1.2",
  seen: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z M12 9.200a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.600z",
  hidden: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12z M4.5 3.500l15 17",
  images: "M4 6h16 M4 12h16 M4 18h16",
  panel: "M12 3.500l8.5 4.5-8.5 4.500L3.5 8z M3.5 12l8.5 4.5 8.5-4.5 M3.5 16l8.5 4.5 8.5-4.5",
} as const;

export type IconName = keyof typeof LINES;

const SVG = "http://www.w3.org/2000/svg";

export function makeIcon(name: IconName): SVGSVGElement {
  const icon = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("class", "icon");
  icon.setAttribute("aria-hidden", "true");
  path.setAttribute("d", LINES[name]);
  icon.append(path);
  return icon;
}
