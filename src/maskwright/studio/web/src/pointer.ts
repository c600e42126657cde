// Pointers on the stage: mouse, pen and fingers. Two fingers move and zoom.

import type { Settings, Tools } from "./tools";
import type { View } from "./view";

interface Told { changed(): void; ended(): void; moved(): void }

const WHEEL_STEP = 1.0015;

export function followPointer(stage: HTMLElement, view: View, settings: Settings, tools: Tools, told: Told): void {
  const down = new Map<number, PointerEvent>();
  let moves = false;
  let asked = false;
  const place = (event: PointerEvent | WheelEvent | MouseEvent): [number, number] => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const drawSoon = () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; told.changed(); });
  };

  stage.addEventListener("pointerdown", (event) => {
    if ((event.target as HTMLElement).id === "minimap") return;
    stage.focus();
    stage.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    if (down.size === 2) {
      tools.cancel();
      moves = true;
    } else if (down.size === 1) {
      moves = event.button !== 0 || settings.tool === "move";
      if (!moves) tools.press(...view.toImage(...place(event)), event.shiftKey);
    }
    drawSoon();
  });

  stage.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (moves && before) {
      pinch(down, before, event, view, place);
      down.set(event.pointerId, event);
      told.moved();
      return;
    }
    const events = event.getCoalescedEvents?.() ?? [];
    for (const part of events.length > 0 ? events : [event]) tools.move(...view.toImage(...place(part)));
    drawSoon();
  });

  const end = (event: PointerEvent) => {
    if (!down.delete(event.pointerId)) return;
    if (!moves) tools.lift();
    if (down.size === 0) moves = false;
    told.ended();
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", () => { if (settings.tool !== "object" && settings.tool !== "proposal") tools.closePolygon(); told.ended(); });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoomBy(WHEEL_STEP ** -event.deltaY, ...place(event));
    told.moved();
  }, { passive: false });
}

function pinch(
  down: Map<number, PointerEvent>, before: PointerEvent, now: PointerEvent, view: View,
  place: (event: PointerEvent) => [number, number],
): void {
  const other = [...down.values()].find(({ pointerId }) => pointerId !== now.pointerId);
  const [x, y] = place(now), [oldX, oldY] = place(before);
  if (!other) {
    view.panBy(x - oldX, y - oldY);
    return;
  }
  const [fixedX, fixedY] = place(other);
  const length = Math.hypot(x - fixedX, y - fixedY), oldLength = Math.hypot(oldX - fixedX, oldY - fixedY);
  view.panBy((x - oldX) / 2, (y - oldY) / 2);
  if (oldLength > 0) view.zoomBy(length / oldLength, (x + fixedX) / 2, (y + fixedY) / 2);
}
