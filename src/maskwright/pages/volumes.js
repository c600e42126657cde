"use strict";
(() => {
  const source = document.getElementById("volumes-data");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  for (const part of document.querySelectorAll(".volume")) {
    const volume = data[Number(part.dataset.volume)];
    const range = part.querySelector("input[type=range]"), told = part.querySelector(".told");
    const [back, next] = part.querySelectorAll(".steps button");
    const labels = part.querySelector("input[type=checkbox]");
    const pictures = [...part.querySelectorAll("img")];
    const show = () => {
      const at = Number(range.value), slice = volume.slices[at];
      pictures.forEach((picture, i) => { picture.src = slice.p[i]; });
      const text = `Slice ${slice.at + 1} of ${volume.n}`;
      told.textContent = slice.t ? `${text} · ${slice.t}` : text;
      range.setAttribute("aria-valuetext", text);
      back.disabled = at === 0;
      next.disabled = at === volume.slices.length - 1;
      for (const near of [at - 1, at + 1])
        for (const path of (volume.slices[near] || { p: [] }).p) new Image().src = path;
    };
    const move = step => { range.value = String(Number(range.value) + step); show(); };
    range.disabled = false;
    range.addEventListener("input", show);
    back.addEventListener("click", () => move(-1));
    next.addEventListener("click", () => move(1));
    if (labels) labels.addEventListener("input", () => part.classList.toggle("bare", !labels.checked));
    part.querySelector(".stack").addEventListener("wheel", event => {
      if (document.activeElement !== range || !event.deltaY) return;
      event.preventDefault();
      move(Math.sign(event.deltaY));
    }, { passive: false });
    show();
  }
})();
