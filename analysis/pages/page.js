"use strict";
// The page can be read without this: it sorts tables, says what a point is, and shows some arms and measures alone.
const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
const make = (kind, about = {}, ...children) => {
  const element = Object.assign(document.createElement(kind), about);
  element.append(...children);
  return element;
};

// A click on a column's heading sorts by it.
for (const button of all("th button")) button.addEventListener("click", () => {
  const heading = button.parentElement, column = heading.cellIndex, body = heading.closest("table").tBodies[0];
  const rising = heading.getAttribute("aria-sort") !== "ascending", number = heading.classList.contains("number");
  for (const other of heading.parentElement.children) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const key = row => number ? (row.cells[column].dataset.key === "" ? NaN : Number(row.cells[column].dataset.key)) : row.cells[column].textContent;
  const order = (a, b) => number ? a - b : a.localeCompare(b, "en", { numeric: true });
  const rows = Array.from(body.rows, row => [key(row), row]);
  rows.sort(([a], [b]) => Number.isNaN(a) || Number.isNaN(b) ? Number.isNaN(a) - Number.isNaN(b) : rising ? order(a, b) : order(b, a));
  body.append(...rows.map(([, row]) => row));
});

// What is near the pointer is said: a point with its arm, seed and value, or a line with its arm.
const NEAR = 16;
const tip = make("div", { className: "tip", hidden: true });
document.body.append(tip);
const middle = element => { const box = element.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
const nearest = (panel, x, y) => {
  let best = null, least = NEAR;
  for (const point of all("use[data-tip]", panel)) {
    const [left, top] = middle(point), far = Math.hypot(left - x, top - y);
    if (far < least) [best, least] = [point, far];
  }
  return best;
};
const under = event => {
  const panel = event.target.closest(".panel");
  if (!panel) return event.target.closest("[data-names]");
  const line = event.target.closest("[data-tip], [data-arm]");
  return line && line.dataset.tip ? line : nearest(panel, event.clientX, event.clientY) || line;
};
document.addEventListener("pointermove", event => {
  const found = under(event), text = found && (found.dataset.tip || found.dataset.arm);
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
});

// A click on an arm, or on its entry of a legend, brings it out in every figure; a second click, or Escape, ends that.
const armOf = element => { const of = element && element.closest("[data-arm], [data-names]"); return of ? of.dataset.arm || of.dataset.names : ""; };
const chosen = new Set();
const bringOut = () => {
  for (const one of all("[data-arm], [data-names]")) one.classList.toggle("dim", chosen.size > 0 && !chosen.has(armOf(one)));
};
const toggle = arm => { chosen.has(arm) ? chosen.delete(arm) : chosen.add(arm); bringOut(); };
document.addEventListener("click", event => { const arm = event.target.closest("figure") && armOf(under(event)); if (arm) toggle(arm); });
document.addEventListener("keydown", event => { if (event.key === "Escape") { chosen.clear(); bringOut(); brushed.clear(); brush(); } });
for (const key of all("[data-names]")) {
  Object.assign(key, { tabIndex: 0, role: "button" });
  key.addEventListener("keydown", event => { if (event.key === "Enter") toggle(key.dataset.names); });
}

// Arms and measures can be left out.
const values = (...names) => [...new Set(names.flatMap(name => all(`[data-${name}]`).map(one => one.dataset[name])))].filter(Boolean);
const boxes = (title, names, attributes) => names.length < 2 ? [] : [make("fieldset", {}, make("legend", { textContent: title }), ...names.map(name => {
  const box = make("input", { type: "checkbox", checked: true });
  box.addEventListener("change", () => {
    for (const attribute of attributes) for (const one of all(`[data-${attribute}]`)) if (one.dataset[attribute] === name) one.classList.toggle(`without-${attributes[0]}`, !box.checked);
  });
  return make("label", {}, box, ` ${name.replaceAll("_", " ")}`);
}))];
const choice = [...boxes("Arms", values("arm", "names"), ["arm", "names"]), ...boxes("Measures", values("measure"), ["measure"])];
if (choice.length) document.querySelector("header").append(make("details", { className: "choice" }, make("summary", { textContent: "Choose arms and measures" }), ...choice));

// Of parallel coordinates, a stroke along an axis keeps the lines that pass there.
const brushed = new Map();
const corners = line => Array.from(line.getAttribute("d").matchAll(/[ML] ?(\S+) (\S+)/g), ([, x, y]) => [Number(x), Number(y)]);
const lines = all('[id^="parallel_coordinates-"] path[data-tip]');
const brush = () => {
  for (const line of lines) {
    const at = corners(line);
    line.classList.toggle("dim", [...brushed].some(([axis, [from, to]]) => !at[axis] || at[axis][0] < from || at[axis][0] > to));
  }
};
if (lines.length) {
  const drawing = lines[0].closest("svg"), rows = corners(lines[0]).map(([, y]) => y);
  const here = event => { const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse()); return [point.x, point.y]; };
  let from = null, axis = 0;
  drawing.style.touchAction = "pan-y";
  drawing.addEventListener("pointerdown", event => {
    from = here(event);
    axis = rows.reduce((best, y, i) => Math.abs(y - from[1]) < Math.abs(rows[best] - from[1]) ? i : best, 0);
  });
  addEventListener("pointerup", event => {
    if (!from) return;
    const ends = [from[0], here(event)[0]].sort((a, b) => a - b);
    from = null;
    ends[1] - ends[0] > 3 ? brushed.set(axis, ends) : brushed.delete(axis);
    brush();
  });
}
