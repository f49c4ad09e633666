// Buttons that send a control command, and the status text below them.

import { el } from "./dom.js";
import { sendCommand } from "./store.js";

export const statusText = el("p", { class: "hint", role: "status" });

/** Send a control command; show `message` when it is done, or the error. */
export async function runCommand(name, parameters, message) {
  try {
    await sendCommand(name, parameters);
    statusText.textContent = message ?? "";
  } catch (error) {
    statusText.textContent = error.message;
  }
}

/** Create a small button. */
export const smallButton = (text, onclick, properties = {}) => el("button", { type: "button", class: "button small", onclick, ...properties }, text);
