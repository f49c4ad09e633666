// The sidebar: workspace, user and channels.

import { el } from "./dom.js";
import { switchUser, go, on, sendCommand, state } from "./store.js";

function show() {
  if (!state.manifest) return;
  const channelItem = (one) => {
    const unread = state.unread.get(one.id) ?? 0;
    const here = one.id === state.channel && !state.home;
    const name = one.im_with ? state.bot.name : one.name;
    const mark = one.im_with ? "🔔" : one.kind === "group" ? "🔒" : "#";
    return el("li", {}, el("button", {
      type: "button", class: `place${here ? " here" : ""}${unread ? " unread" : ""}`, "aria-current": here ? "page" : undefined,
      onclick: () => go(one.id),
    }, el("span", { "aria-hidden": "true" }, mark), ` ${name}`, one.archived ? el("span", { class: "hint" }, " archived") : null,
    unread ? el("span", { class: "count", "aria-label": `${unread} unread` }, String(unread)) : null));
  };
  const direct = state.channels.find((one) => one.im_with === state.person);
  const home = state.manifest.features.app_home?.home_tab_enabled && direct
    ? el("li", {}, el("button", { type: "button", class: `place${state.home ? " here" : ""}`, onclick: () => { go(direct.id, { home: true }); sendCommand("home"); } }, "🏠 Home"))
    : null;
  const workspace = state.workspaces.find((one) => one.team === state.team);
  const others = state.workspaces.length < 2 ? [] : [el("label", { class: "acting" }, "Workspace ",
    el("select", { onchange: (event) => location.assign(`/?team=${encodeURIComponent(event.target.value)}`) },
      state.workspaces.map((one) => el("option", { value: one.team, selected: one.team === state.team }, one.name))))];
  document.getElementById("sidebar").replaceChildren(
    el("div", { class: "workspace" }, el("strong", {}, workspace?.name ?? "Sandbox"), el("span", { class: "hint" }, " simulated Slack")),
    ...others,
    el("label", { class: "acting" }, "You are ",
      el("select", { onchange: (event) => switchUser(event.target.value) },
        state.people.filter((one) => !one.deleted).map((one) => el("option", { value: one.id, selected: one.id === state.person }, one.real_name)))),
    el("h2", {}, "Channels"),
    el("ul", {}, state.channels.filter((one) => !one.im_with).map(channelItem)),
    el("h2", {}, "Apps"),
    el("ul", {}, direct ? channelItem(direct) : null, home));
}

on(["workspaces", "channels", "people", "person", "place", "unread", "manifest"], show);
