// The dialog of a confirm object.

import { el } from "./dom.js";
import { textOf } from "./mrkdwn.js";

/** Show the dialog; resolves to true if the user confirms. */
export function confirmAction(confirm) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { class: "confirm", "aria-label": confirm.title.text, onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      el("form", { method: "dialog" },
        el("h2", {}, confirm.title.text),
        el("p", {}, textOf(confirm.text)),
        el("div", { class: "actions" },
          el("button", { class: "button", value: "no" }, confirm.deny.text),
          el("button", { class: `button ${confirm.style ?? "primary"}`, value: "yes", autofocus: true }, confirm.confirm.text))));
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
  });
}
