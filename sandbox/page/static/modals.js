// The modals of the app.

import { announce, el } from "./dom.js";
import { blocksOf, nameOf } from "./blocks.js";
import { on, sendCommand, state } from "./store.js";

let shown = null; // { id, key, dialog, values }
let focusBefore = null; // the focus before the first modal

function show() {
  const stack = state.views[state.person] ?? [];
  const top = stack.at(-1);
  const key = top && JSON.stringify([top.id, top.view, top.errors]);
  if (shown?.key === key) return;
  // The input is kept if the same modal returns with errors or is updated by the app.
  const typed = shown && top && shown.id === top.id ? shown.values : top?.filled ?? {};
  const fields = new Set((top?.view.blocks ?? []).filter((one) => one.type === "input").map((one) => one.block_id));
  const values = Object.fromEntries(Object.entries(typed).filter(([name]) => fields.has(name)));
  const before = shown && top && shown.id === top.id ? focusedField(shown.dialog) : null;
  if (!shown && top) focusBefore = focusPosition(document.activeElement);
  const closed = shown && !top;
  shown?.dialog.remove();
  shown = null;
  if (closed) restorePageFocus();
  if (!top) return;
  const dialog = renderModal(top, values, stack.length);
  document.getElementById("dialogs").append(dialog);
  dialog.showModal();
  shown = { id: top.id, key, dialog, values };
  const invalid = dialog.querySelector("[aria-invalid]");
  if (invalid) invalid.focus();
  else if (before) restoreField(dialog, before);
  announce(`Dialog: ${top.view.title.text}`);
}

/** Describe the focused element so that it can be found again, even if its message is rendered again. */
function focusPosition(element) {
  return { element, ts: element?.closest("[data-ts]")?.dataset.ts, text: element?.textContent };
}

/** Return the focus to where it was before the first modal, else to the message field. */
function restorePageFocus() {
  const message = focusBefore?.ts && document.querySelector(`[data-ts="${CSS.escape(focusBefore.ts)}"]`);
  const sameButton = message && [...message.querySelectorAll("button")].find((one) => one.textContent === focusBefore.text);
  const target = focusBefore?.element?.isConnected && focusBefore.element !== document.body ? focusBefore.element : sameButton;
  (target ?? document.getElementById("say"))?.focus();
  focusBefore = null;
}

const FIELDS = "input, textarea, select";

/** Describe the focused field of a modal that will be rendered again, with the text in it. */
function focusedField(dialog) {
  const field = document.activeElement;
  const block = field?.closest("[data-block]");
  return block && dialog.contains(block) && field.matches(FIELDS) ? { block: block.dataset.block, typed: field.value, list: field.role === "combobox" } : null;
}

function restoreField(dialog, { block, typed, list }) {
  const field = dialog.querySelector(`[data-block="${CSS.escape(block)}"] :is(${FIELDS})`);
  if (!field) return;
  field.focus();
  if (list && field.value !== typed) {
    field.value = typed;
    field.dispatchEvent(new Event("input"));
  }
}

function renderModal(top, values, depth) {
  const { view, errors } = top;
  const context = {
    values,
    errors,
    fill: (block, value) => {
      values[block.block_id] = value;
      if (block.dispatch_action) sendCommand("use", { element: nameOf(block.element), block_id: block.block_id, given: value });
    },
    use: (block, element, value) => sendCommand("use", { element: nameOf(element), block_id: block.block_id, given: value }),
    options: (block, element, typed) => sendCommand("options", { element: nameOf(element), block_id: block.block_id, typed }),
  };
  const close = () => sendCommand("close").catch(() => {});
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await sendCommand("submit", { values });
    } catch (failure) {
      error.textContent = failure.message;
    } finally {
      button.disabled = false;
    }
  };
  const error = el("p", { class: "error", role: "alert" }, errors[""] ?? "");
  const button = el("button", { class: "button primary", type: "submit" }, view.submit?.text ?? "");
  return el("dialog", { class: "modal", "aria-label": view.title.text, oncancel: (event) => { event.preventDefault(); close(); } },
    el("form", { onsubmit: submit, noValidate: true },
      el("header", {},
        el("h2", {}, view.title.text),
        depth > 1 ? el("span", { class: "hint" }, `${depth} deep`) : null,
        el("button", { type: "button", class: "icon", "aria-label": "Close", onclick: close }, "✕")),
      el("div", { class: "body" }, blocksOf(view.blocks, context), error),
      el("footer", { class: "actions" },
        el("button", { class: "button", type: "button", onclick: close }, view.close?.text ?? "Cancel"),
        view.submit ? button : null)));
}

on(["views", "person"], show);
