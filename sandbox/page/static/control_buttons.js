// Orders that a press of a button gives, and what is said of them.

import { el } from "./dom.js";
import { order } from "./store.js";

export const said = el("p", { class: "hint", role: "status" });

/** Give an order; `words` are said when it is done, and the reason when it can't be. */
export async function run(name, given, words) {
  try {
    await order(name, given);
    said.textContent = words ?? "";
  } catch (problem) {
    said.textContent = problem.message;
  }
}

/** A small button. */
export const small = (text, act, more = {}) => el("button", { type: "button", class: "button small", onclick: act, ...more }, text);
