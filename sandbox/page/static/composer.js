// The message field, with completion of slash commands.

import { el, newId } from "./dom.js";
import { channel, on, sendCommand, state } from "./store.js";

const list = newId("commands");
let selectedIndex = 0;

const input = el("textarea", {
  id: "say", rows: 1, "aria-label": "Message", "aria-controls": list, "aria-autocomplete": "list", role: "combobox",
  "aria-expanded": "false", oninput: suggest, onkeydown: handleKey,
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
  selectedIndex = Math.min(selectedIndex, Math.max(offered.length - 1, 0));
  suggestions.replaceChildren(...offered.map((one, index) => el("li", {
    role: "option", id: `${list}-${index}`, "aria-selected": String(index === selectedIndex), class: index === selectedIndex ? "at" : "",
    onpointerdown: (event) => { event.preventDefault(); complete(one); },
  }, el("strong", {}, one.command), " ", el("code", {}, one.usage_hint ?? ""), el("br"), el("span", { class: "hint" }, one.description))));
  suggestions.hidden = !offered.length;
  input.setAttribute("aria-expanded", String(offered.length > 0));
  updateActiveDescendant();
  input.style.height = "auto";
  input.style.height = `${Math.min(input.scrollHeight, 160)}px`;
}

/** Announce the selected command to screen readers. */
function updateActiveDescendant() {
  if (commandChoices().length) input.setAttribute("aria-activedescendant", `${list}-${selectedIndex}`);
  else input.removeAttribute("aria-activedescendant");
}

/** Return the commands to choose from while a command name is being typed. */
const commandChoices = () => (suggestions.hidden || input.value.includes(" ") ? [] : commands());

function complete(command) {
  input.value = `${command.command} `;
  suggest();
  input.focus();
}

function handleKey(event) {
  const offered = commandChoices();
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    // As in Slack, Enter completes the selected command; a complete command is sent.
    if (offered.length && offered[selectedIndex].command !== input.value) complete(offered[selectedIndex]);
    else form.requestSubmit();
  } else if (event.key === "Tab" && !event.shiftKey && offered.length) {
    event.preventDefault();
    complete(offered[selectedIndex]);
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && offered.length) {
    event.preventDefault();
    selectedIndex = (selectedIndex + (event.key === "ArrowDown" ? 1 : offered.length - 1)) % offered.length;
    suggest();
  } else if (event.key === "Escape") {
    suggestions.hidden = true;
    input.setAttribute("aria-expanded", "false");
    updateActiveDescendant();
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
    if ([`/invite @${state.bot.name}`, `/invite ${state.bot.name}`].includes(text)) await sendCommand("invite");
    else if (text.startsWith("/")) await sendCommand("command", { text });
    else await sendCommand("say", { text, thread: state.thread ?? undefined });
  } catch (error) {
    problem.textContent = error.message;
    input.value ||= text; // restore a text that could not be sent, unless something else was typed
  }
}

function show() {
  const current = channel();
  if (!current) return;
  input.placeholder = `Message ${current.im_with ? state.bot.name : `#${current.name}`}, or / for commands`;
  input.disabled = current.archived;
  form.hidden = state.home;
  const offered = (state.manifest?.features.shortcuts ?? []).filter((one) => one.type === "global");
  shortcuts.replaceChildren(...offered.map((one) => el("button", { type: "button", class: "icon", title: one.description, onclick: () => sendCommand("shortcut", { callback_id: one.callback_id }) }, `⚡ ${one.name}`)));
  if (!form.isConnected) document.getElementById("composer").append(form);
}

document.body.prepend(el("a", {
  class: "skip", href: "#say", onclick: (event) => { event.preventDefault(); input.focus(); },
}, "Skip to the message field"));

on(["channels", "place", "person", "manifest"], show);
