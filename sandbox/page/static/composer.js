// Where people type: messages, and commands with what the manifest says of them.

import { el, newId } from "./dom.js";
import { channel, on, order, state } from "./store.js";

const list = newId("commands");
let at = 0;

const input = el("textarea", {
  id: "say", rows: 1, "aria-label": "Message", "aria-controls": list, "aria-autocomplete": "list", role: "combobox",
  "aria-expanded": "false", oninput: suggest, onkeydown: key,
});
const suggestions = el("ul", { id: list, role: "listbox", "aria-label": "Commands", hidden: true });
const problem = el("p", { class: "error", role: "alert" });
const shortcuts = el("span", { class: "shortcuts" });
const form = el("form", { onsubmit: send }, suggestions, problem, input, shortcuts, el("button", { class: "button primary", type: "submit" }, "Send"));

function commands() {
  return (state.manifest?.features.slash_commands ?? []).filter((one) => one.command.startsWith(input.value.split(" ")[0]));
}

function suggest() {
  const typed = input.value;
  const offered = typed.startsWith("/") && !typed.includes("\n") ? commands() : [];
  at = Math.min(at, Math.max(offered.length - 1, 0));
  suggestions.replaceChildren(...offered.map((one, place) => el("li", {
    role: "option", id: `${list}-${place}`, "aria-selected": String(place === at), class: place === at ? "at" : "",
    onpointerdown: (event) => { event.preventDefault(); complete(one); },
  }, el("strong", {}, one.command), " ", el("code", {}, one.usage_hint ?? ""), el("br"), el("span", { class: "hint" }, one.description))));
  suggestions.hidden = !offered.length;
  input.setAttribute("aria-expanded", String(offered.length > 0));
  point();
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
}

/** Say which command is chosen, to whoever listens instead of looking. */
function point() {
  if (choosing().length) input.setAttribute("aria-activedescendant", `${list}-${at}`);
  else input.removeAttribute("aria-activedescendant");
}

/** The commands between which somebody chooses: while they type its name. */
const choosing = () => (suggestions.hidden || input.value.includes(" ") ? [] : commands());

function complete(command) {
  input.value = `${command.command} `;
  suggest();
  input.focus();
}

function key(event) {
  const offered = choosing();
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    // As in Slack, Enter takes the command that is chosen; one that is typed to its end is sent.
    if (offered.length && offered[at].command !== input.value) complete(offered[at]);
    else form.requestSubmit();
  } else if (event.key === "Tab" && !event.shiftKey && offered.length) {
    event.preventDefault();
    complete(offered[at]);
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && offered.length) {
    event.preventDefault();
    at = (at + (event.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length;
    suggest();
  } else if (event.key === "Escape") {
    suggestions.hidden = true;
    input.setAttribute("aria-expanded", "false");
    point();
  }
}

async function send(event) {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  problem.textContent = "";
  suggest();
  try {
    // Slash commands can't be used in threads (docs.slack.dev, "Slash commands").
    if (text.startsWith("/") && state.thread) throw new Error("Slash commands can't be used in threads.");
    if ([`/invite @${state.bot.name}`, `/invite ${state.bot.name}`].includes(text)) await order("invite");
    else if (text.startsWith("/")) await order("command", { text });
    else await order("say", { text, thread: state.thread ?? undefined });
  } catch (error) {
    problem.textContent = error.message;
    input.value ||= text; // what could not be sent comes back, unless something else is being typed
  }
}

function show() {
  const here = channel();
  if (!here) return;
  input.placeholder = `Message ${here.im_with ? state.bot.name : `#${here.name}`}, or / for commands`;
  input.disabled = here.archived;
  form.hidden = state.home;
  const offered = (state.manifest?.features.shortcuts ?? []).filter((one) => one.type === "global");
  shortcuts.replaceChildren(...offered.map((one) => el("button", { type: "button", class: "icon", title: one.description, onclick: () => order("shortcut", { callback_id: one.callback_id }) }, `⚡ ${one.name}`)));
  if (!form.isConnected) document.getElementById("composer").append(form);
}

document.body.prepend(el("a", {
  class: "skip", href: "#say", onclick: (event) => { event.preventDefault(); input.focus(); },
}, "Skip to the message field"));

on(["channels", "place", "person", "manifest"], show);
