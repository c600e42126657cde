"use strict";
(() => {
  const data = JSON.parse(document.getElementById("browse-data").textContent);
  const get = id => document.getElementById(id);
  const form = get("browse-form"), list = get("browse-list"), count = get("browse-count");
  const big = get("browse-big"), PAGE = 48;
  let shown = [], first = 0, at = 0;

  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const number = value => value === null || value === undefined ? "–"
    : Math.abs(value) < 1 && value !== 0 ? value.toFixed(3) : String(Math.round(value * 10) / 10);
  const chosen = name => form.elements[name] ? form.elements[name].value : "";
  const value = image => chosen("sort") === "class"
    ? (chosen("class") === "" ? undefined : image.c[chosen("class")])
    : image.n[Number(chosen("sort"))];

  const select = () => {
    const word = chosen("word").toLowerCase(), down = chosen("order") === "down" ? -1 : 1;
    shown = data.images.filter(image => image.k.toLowerCase().includes(word)
      && data.filters.every((filter, i) => {
        const wanted = chosen("filter" + i);
        return wanted === "" || image.t[i].includes(Number(wanted));
      })
      && (chosen("class") === "" || image.c[chosen("class")] !== undefined));
    const known = v => v !== null && v !== undefined;
    shown.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (!known(x) || !known(y)) return known(y) - known(x) || a.i - b.i;
      return down * (x - y) || a.i - b.i;
    });
    first = 0;
    draw();
  };
  const whole = text => text.replaceAll(" ", "\u00a0");
  const facts = image => data.sorts.map((name, i) => whole(`${name} ${number(image.n[i])}`)).join(" · ")
    + (chosen("class") === "" ? ""
      : ` · ${whole(`${data.classes[chosen("class")]} ${number(image.c[chosen("class")])}`)}`);
  const picture = (image, panel) => {
    const figure = make("span", "", "one"), img = make("img");
    img.src = image.p[panel];
    img.loading = "lazy";
    img.alt = `${data.panels[panel]} of ${image.k}`;
    img.style.aspectRatio = image.r;
    figure.append(img);
    if (data.panels.length > 1) figure.append(make("small", data.panels[panel]));
    return figure;
  };
  const draw = () => {
    const part = shown.slice(first, first + PAGE);
    count.textContent = shown.length
      ? `${first + 1} to ${first + part.length} of ${shown.length} images` : "No image fits.";
    list.replaceChildren(...part.map((image, i) => {
      const button = make("button", "", "shot");
      button.type = "button";
      const row = make("span", "", "row");
      row.append(...image.p.map((path, panel) => path ? picture(image, panel) : ""));
      button.append(make("code", image.k), row, make("small", facts(image)));
      image.t.forEach((values, f) => {
        if (data.told.includes(f) && values.length)
          button.append(make("small", values.map(v => data.filters[f].values[v]).join(", "), "told"));
      });
      button.addEventListener("click", () => open(first + i));
      return button;
    }));
    get("browse-back").disabled = first === 0;
    get("browse-next").disabled = first + PAGE >= shown.length;
  };
  const open = index => {
    at = Math.max(0, Math.min(shown.length - 1, index));
    const image = shown[at], row = make("div", "", "row");
    row.append(...image.p.map((path, panel) => path ? picture(image, panel) : ""));
    get("browse-what").replaceChildren(
      make("code", image.k), make("p", `${at + 1} of ${shown.length} · ${facts(image)}`, "soft"), row,
      ...data.filters.map((filter, f) => make("p", image.t[f].length
        ? `${filter.name}: ${image.t[f].map(v => filter.values[v]).join(", ")}` : "")));
    if (!big.open) big.showModal();
  };
  const turn = step => { first = Math.max(0, first + step * PAGE); draw(); list.scrollIntoView(); };

  form.addEventListener("input", select);
  form.addEventListener("submit", event => event.preventDefault());
  get("browse-back").addEventListener("click", () => turn(-1));
  get("browse-next").addEventListener("click", () => turn(1));
  get("browse-close").addEventListener("click", () => big.close());
  get("browse-before").addEventListener("click", () => open(at - 1));
  get("browse-after").addEventListener("click", () => open(at + 1));
  big.addEventListener("keydown", event => {
    if (event.key === "ArrowRight") open(at + 1);
    if (event.key === "ArrowLeft") open(at - 1);
  });
  big.addEventListener("close", () => {
    first = Math.floor(at / PAGE) * PAGE;
    draw();
    if (list.children[at - first]) list.children[at - first].focus();
  });
  select();
})();
