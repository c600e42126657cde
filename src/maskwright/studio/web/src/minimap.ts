// The whole image in a corner, with the part that is seen.

import { pictureUrl } from "./picture";
import type { Doc } from "./document";
import { find } from "./panels";
import type { View } from "./view";

let image: HTMLImageElement | null = null;

const measure = (doc: Doc, canvas: HTMLCanvasElement) => {
  const { width, height } = doc.map;
  const scale = Math.min(canvas.width / width, canvas.height / height);
  return { scale, left: (canvas.width - width * scale) / 2, top: (canvas.height - height * scale) / 2 };
};

export function drawMinimap(view: View, doc: Doc | null): void {
  const canvas = find<HTMLCanvasElement>("minimap"), context = canvas.getContext("2d")!;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!doc) return;
  const { width, height } = doc.map, seen = view.visible;
  // Where all of the image is seen, the small one says nothing.
  canvas.hidden = seen.left <= 0 && seen.top <= 0 && seen.right >= width && seen.bottom >= height;
  if (canvas.hidden) return;
  const url = pictureUrl(doc.item.id, doc.item.levels - 1, 0, 0);
  if (!image?.src.endsWith(url)) {
    image = new Image();
    image.onload = () => drawMinimap(view, doc);
    image.src = url;
  }
  const { scale, left, top } = measure(doc, canvas);
  if (image.complete) context.drawImage(image, left, top, width * scale, height * scale);
  for (const [color, line] of [["#000", 3], ["#fff", 1]] as const) {
    context.strokeStyle = color;
    context.lineWidth = line;
    const x = Math.max(0, seen.left), y = Math.max(0, seen.top);
    const right = Math.min(width, seen.right), bottom = Math.min(height, seen.bottom);
    context.strokeRect(left + x * scale, top + y * scale, (right - x) * scale, (bottom - y) * scale);
  }
}

export function followMinimap(view: View, doc: () => Doc | null): void {
  const canvas = find<HTMLCanvasElement>("minimap");
  const go = (event: PointerEvent) => {
    const open = doc();
    if (!open || event.buttons === 0) return;
    const { scale, left, top } = measure(open, canvas);
    view.center((event.offsetX - left) / scale, (event.offsetY - top) / scale);
    drawMinimap(view, open);
  };
  canvas.addEventListener("pointerdown", go);
  canvas.addEventListener("pointermove", go);
}
