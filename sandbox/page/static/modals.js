// The modals that apps open.

import { announce, el } from "./dom.js";
import { blocksOf, nameOf } from "./blocks.js";
import { on, order, state } from "./store.js";

let shown = null; // { id, key, dialog, values }
let left = null; // where the focus was before the first dialog

function show() {
  const stack = state.views[state.person] ?? [];
  const top = stack.at(-1);
  const key = top && JSON.stringify([top.id, top.view, top.errors]);
  if (shown?.key === key) return;
  // What was typed stays, where the same modal comes back with errors or changed by the app.
  const typed = shown && top && shown.id === top.id ? shown.values : top?.filled ?? {};
  const fields = new Set((top?.view.blocks ?? []).filter((one) => one.type === "input").map((one) => one.block_id));
  const values = Object.fromEntries(Object.entries(typed).filter(([name]) => fields.has(name)));
  const before = shown && top && shown.id === top.id ? focusIn(shown.dialog) : null;
  if (!shown && top) left = place(document.activeElement);
  const closed = shown && !top;
  shown?.dialog.remove();
  shown = null;
  if (closed) comeBack();
  if (!top) return;
  const dialog = modal(top, values, stack.length);
  document.getElementById("dialogs").append(dialog);
  dialog.showModal();
  shown = { id: top.id, key, dialog, values };
  const wrong = dialog.querySelector("[aria-invalid]");
  if (wrong) wrong.focus();
  else if (before) restore(dialog, before);
  announce(`Dialog: ${top.view.title.text}`);
}

/** A place on the page that can be found again, also when its message was drawn anew meanwhile. */
function place(element) {
  return { element, ts: element?.closest("[data-ts]")?.dataset.ts, words: element?.textContent };
}

/** Put the focus where it was before the dialogs, else into the message field. */
function comeBack() {
  const message = left?.ts && document.querySelector(`[data-ts="${CSS.escape(left.ts)}"]`);
  const again = message && [...message.querySelectorAll("button")].find((one) => one.textContent === left.words);
  const there = left?.element?.isConnected && left.element !== document.body ? left.element : again;
  (there ?? document.getElementById("say"))?.focus();
  left = null;
}

const FIELDS = "input, textarea, select";

/** Where somebody types in a dialog that is about to be drawn anew, and what is typed there so far. */
function focusIn(dialog) {
  const field = document.activeElement;
  const block = field?.closest("[data-block]");
  return block && dialog.contains(block) && field.matches(FIELDS) ? { block: block.dataset.block, typed: field.value, list: field.role === "combobox" } : null;
}

function restore(dialog, { block, typed, list }) {
  const field = dialog.querySelector(`[data-block="${CSS.escape(block)}"] :is(${FIELDS})`);
  if (!field) return;
  field.focus();
  if (list && field.value !== typed) {
    field.value = typed;
    field.dispatchEvent(new Event("input"));
  }
}

function modal(top, values, depth) {
  const { view, errors } = top;
  const context = {
    values,
    errors,
    fill: (block, given) => {
      values[block.block_id] = given;
      if (block.dispatch_action) order("use", { element: nameOf(block.element), block_id: block.block_id, given });
    },
    use: (block, element, given) => order("use", { element: nameOf(element), block_id: block.block_id, given }),
    options: (block, element, typed) => order("options", { element: nameOf(element), block_id: block.block_id, typed }),
  };
  const close = () => order("close").catch(() => {});
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await order("submit", { values });
    } catch (problem) {
      wrong.textContent = problem.message;
    } finally {
      button.disabled = false;
    }
  };
  const wrong = el("p", { class: "error", role: "alert" }, errors[""] ?? "");
  const button = el("button", { class: "button primary", type: "submit" }, view.submit?.text ?? "");
  return el("dialog", { class: "modal", "aria-label": view.title.text, oncancel: (event) => { event.preventDefault(); close(); } },
    el("form", { onsubmit: submit, noValidate: true },
      el("header", {},
        el("h2", {}, view.title.text),
        depth > 1 ? el("span", { class: "hint" }, `${depth} deep`) : null,
        el("button", { type: "button", class: "icon", "aria-label": "Close", onclick: close }, "✕")),
      el("div", { class: "body" }, blocksOf(view.blocks, context), wrong),
      el("footer", { class: "actions" },
        el("button", { class: "button", type: "button", onclick: close }, view.close?.text ?? "Cancel"),
        view.submit ? button : null)));
}

on(["views", "person"], show);
