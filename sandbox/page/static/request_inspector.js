// The request inspector: all requests in both directions, and violations.

import { el } from "./dom.js";
import { on, state } from "./store.js";

let filter = "";
const entries = el("ol", { class: "entries", reversed: true });
const rendered = new Map();
const search = el("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter by name", oninput: () => { filter = search.value.toLowerCase(); renderEntries(); } });
export const inspector = el("div", { id: "inspector" }, el("div", { id: "violations" }), search, entries);

export function renderEntries() {
  if (inspector.hidden) return;
  document.getElementById("violations").replaceChildren(...state.violations.slice(-5).map((one) => el("p", { class: "error" }, one)));
  const visible = [...state.entries.values()].filter((one) => `${one.title} ${one.direction}`.toLowerCase().includes(filter)).slice(-100).reverse();
  const visibleIds = new Set(visible.map((one) => one.id));
  for (const [id, one] of rendered) if (!visibleIds.has(id)) { one.element.remove(); rendered.delete(id); }
  visible.forEach((entry, index) => {
    const known = rendered.get(entry.id);
    const closed = entry.seconds !== null;
    if (!known || known.closed !== closed) {
      const element = renderEntry(entry);
      known?.element.replaceWith(element);
      rendered.set(entry.id, { element, closed });
    }
    const { element } = rendered.get(entry.id);
    if (entries.children[index] !== element) entries.insertBefore(element, entries.children[index] ?? null);
  });
}

function renderEntry(entry) {
  const took = entry.seconds === null ? "…" : `${Math.round(entry.seconds * 1000)} ms`;
  const details = el("details", { class: entry.violations.length ? "broken" : "" },
    el("summary", {}, el("span", { class: "hint" }, entry.direction), " ", el("strong", {}, entry.title), " ",
      entry.status && entry.status >= 400 ? el("span", { class: "error" }, String(entry.status)) : null, el("span", { class: "hint took" }, took)));
  // The JSON is rendered only when the entry is opened.
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    details.append(...entry.violations.map((rule) => el("p", { class: "error" }, rule)), el("pre", {}, JSON.stringify(entry.request, null, 2)), el("p", { class: "hint" }, "response"), el("pre", {}, JSON.stringify(entry.response, null, 2)));
  });
  return el("li", {}, details);
}

on(["entries", "violations"], renderEntries);
