"use strict";
const at = (id) => document.getElementById(id);
const photo = at("photo"), painted = at("painted"), note = at("note"), trouble = at("trouble");
const most = 2000; // px of the longer side on the screen; labels keep their own size
let models = [], file = null, answer = null, running = null;

const headers = () => {
  const token = sessionStorage.getItem("token");
  return token ? { Authorization: `Bearer ${token}` } : {};
};

async function ask(path, options = {}) {
  const response = await fetch(path, { ...options, headers: { ...headers(), ...options.headers } });
  if (response.ok) return response;
  at("token-row").hidden = response.status !== 401 && at("token-row").hidden;
  let text = `status ${response.status}`;
  try { text = (await response.json()).error; } catch { /* a proxy, which speaks no JSON */ }
  throw new Error(text);
}

const model = () => models.find((entry) => entry.name === at("model").value);

async function list() {
  trouble.textContent = "";
  try {
    models = (await (await ask("v1/models")).json()).models.filter((entry) => entry.facts);
  } catch (error) {
    trouble.textContent = error.message;
    return;
  }
  at("token-row").hidden = true;
  const names = [...new Set(models.map((entry) => entry.name))];
  at("model").replaceChildren(...names.map((name) => new Option(name, name)));
  at("model-row").hidden = names.length < 2;
  describe();
  if (file) predict();
}

function describe() {
  const facts = model().facts;
  at("about").textContent =
    `${model().name}: Bundle ${facts.bundle}, ${facts.engine} ${facts.precision}, ${facts.classes.length} classes`;
}

async function predict() {
  if (!models.length || !file) return;
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  trouble.textContent = "";
  note.textContent = "Predicting …";
  try {
    const where = `v1/predict?format=raw&model=${encodeURIComponent(model().name)}`;
    const began = performance.now();
    const response = await ask(where, { method: "POST", body: file, signal });
    const labels = new Uint8Array(await response.arrayBuffer());
    const [height, width] = response.headers.get("Maskwright-Size").split("x").map(Number);
    answer = { labels, height, width, facts: model().facts, hidden: new Set() };
    await showPhoto();
    showClasses();
    paint();
    at("result").hidden = false;
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    note.textContent = `${file.name || "image"}: ${height} × ${width} px (H × W) in ${seconds} s, ` +
      `${response.headers.get("Maskwright-Tiling")}`;
  } catch (error) {
    if (signal.aborted) return;
    note.textContent = "";
    trouble.textContent = error.message;
  }
}

async function showPhoto() {
  const scale = Math.min(1, most / Math.max(answer.height, answer.width));
  at("picture").style.maxWidth = `calc(75vh * ${answer.width / answer.height})`;
  photo.width = Math.max(1, Math.round(answer.width * scale));
  photo.height = Math.max(1, Math.round(answer.height * scale));
  try {
    const bitmap = await createImageBitmap(file);
    photo.getContext("2d").drawImage(bitmap, 0, 0, photo.width, photo.height);
    bitmap.close();
  } catch { /* browsers show no TIFF: the classes are shown alone */ }
}

function count() {
  const counts = new Float64Array(256);
  for (const index of answer.labels) counts[index] += 1;
  return counts;
}

function showClasses() {
  const counts = count(), known = answer.labels.length - counts[255];
  const { classes, colors } = answer.facts;
  const order = classes.map((_, index) => index).sort((a, b) => counts[b] - counts[a]);
  const rows = order.filter((index) => counts[index]).map((index) => {
    const row = document.createElement("tr"), head = document.createElement("th");
    const label = document.createElement("label"), box = document.createElement("input");
    const swatch = document.createElement("span"), share = document.createElement("td");
    head.scope = "row";
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      answer.hidden[box.checked ? "delete" : "add"](index);
      paint();
    });
    swatch.className = "swatch";
    swatch.style.background = `rgb(${colors[index]})`;
    label.append(box, swatch, classes[index]);
    head.append(label);
    share.className = "number";
    share.dataset.head = "share";
    share.textContent = `${(100 * counts[index] / Math.max(1, known)).toFixed(1)} %`;
    row.append(head, share);
    return row;
  });
  at("classes").replaceChildren(...rows);
}

function paint() {
  const { labels, height, width, facts, hidden } = answer;
  const colors = new Uint32Array(256); // 0: transparent
  facts.colors.forEach(([r, g, b], index) => {
    const isBlack = !(r || g || b); // of a background: the photo stays as it is, as in overlays
    if (!hidden.has(index) && !isBlack) colors[index] = (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  });
  painted.width = width;
  painted.height = height;
  const pixels = new Uint32Array(labels.length);
  for (let i = 0; i < labels.length; i += 1) pixels[i] = colors[labels[i]];
  const data = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
  painted.getContext("2d").putImageData(data, 0, 0);
  painted.style.opacity = at("opacity").value / 100;
}

function name(event) {
  const box = painted.getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left) / box.width * answer.width);
  const y = Math.floor((event.clientY - box.top) / box.height * answer.height);
  const index = answer.labels[y * answer.width + x];
  at("under").textContent = `${answer.facts.classes[index] ?? "no data"} at row ${y}, column ${x}`;
}

function take(files) {
  if (!files?.length) return;
  [file] = files;
  predict();
}

at("file").addEventListener("change", (event) => take(event.target.files));
at("model").addEventListener("change", () => { describe(); predict(); });
at("opacity").addEventListener("input", () => { painted.style.opacity = at("opacity").value / 100; });
at("picture").addEventListener("pointermove", (event) => { if (answer) name(event); });
at("token").addEventListener("change", (event) => {
  sessionStorage.setItem("token", event.target.value.trim());
  list();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
}
document.addEventListener("paste", (event) => take(event.clipboardData.files));
list();
