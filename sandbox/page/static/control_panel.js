// The control panel: builds, time, faults, workflow steps and the request inspector.

import { el } from "./dom.js";
import { buildioApps } from "./buildio_apps.js";
import { runCommand, smallButton, statusText } from "./control_buttons.js";
import { inspector, renderEntries } from "./request_inspector.js";
import { steps } from "./workflow_steps.js";
import { on, state } from "./store.js";

const FAULTS = [
  ["Slack: 429 on posting", "slack-fault", { match: "chat.postMessage", kind: "ratelimited", times: 3, seconds: 3 }],
  ["Slack: down", "slack-fault", { match: "*", kind: "status", status: 503, times: 20 }],
  ["Slack: answer lost", "slack-fault", { match: "chat.postMessage", kind: "answer_lost" }],
  ["Socket: disconnect", "socket", { what: "refresh_requested" }],
  ["Socket: break", "socket", { what: "drop" }],
  ["Bitrise: 500", "bitrise-fault", { match: "*", kind: "status", status: 500, times: 8 }],
  ["Bitrise: slow", "bitrise-fault", { match: "*", kind: "slow", seconds: 4, times: 4 }],
  ["Bitrise: expired token", "bitrise-fault", { match: "*", kind: "status", status: 401, times: 6 }],
  ["Build.io: 429", "buildio-fault", { match: "*", kind: "ratelimited", times: 3, seconds: 3 }],
  ["Build.io: 500", "buildio-fault", { match: "*", kind: "status", status: 500, times: 8 }],
  ["Build.io: expired token", "buildio-fault", { match: "*", kind: "status", status: 401, times: 6 }],
];
const OPEN = new Set(["on-hold", "in-progress"]);
const STATUSES = { "on-hold": "⏸ on hold", "in-progress": "▶ running", success: "✅ succeeded", error: "❌ failed", aborted: "🛑 aborted", "aborted-with-success": "☑ aborted as success" };

let tab = "builds";
const active = el("ul", { class: "hint", "aria-label": "Active faults" });

/* --- builds --- */

const appChoice = el("select", { "aria-label": "App", onchange: () => renderBranches() });
const branchChoice = el("select", { "aria-label": "Branch" });
const list = el("ul", { class: "builds" });

function renderApps() {
  appChoice.replaceChildren(...state.apps.map((one) => el("option", { value: one.slug }, one.title)));
  renderBranches();
}

function renderBranches() {
  const app = state.apps.find((one) => one.slug === appChoice.value);
  branchChoice.replaceChildren(...(app?.branches ?? []).map((one) => el("option", {}, one)));
}

function renderBuilds() {
  list.replaceChildren(...state.builds.map((one) => {
    const target = { app: one.app, number: one.number };
    const name = `${one.app} #${one.number}`;
    const open = OPEN.has(one.status);
    return el("li", {},
      el("span", { class: "name" }, name, el("span", { class: "hint" }, ` ${one.branch ?? ""}`)),
      el("span", {}, one.hangs && open ? "⏳ hanging" : STATUSES[one.status] ?? one.status),
      open ? el("span", { class: "actions" },
        smallButton("Pass", () => runCommand("end", { ...target, result: "success" }), { "aria-label": `Pass ${name}` }),
        smallButton("Fail", () => runCommand("end", { ...target, result: "error" }), { "aria-label": `Fail ${name}` }),
        smallButton("Crash", () => runCommand("end", { ...target, result: "error", crash: true }), { "aria-label": `Crash ${name}` }),
        smallButton("Hang", () => runCommand("hang", target), { "aria-label": `Hang ${name}` }),
        smallButton("Abort", () => runCommand("abort", { ...target, reason: "no longer needed" }), { "aria-label": `Abort ${name} on Bitrise's own page` })) : null);
  }));
}

function renderFaults() {
  active.replaceChildren(...state.faults.map((one) => el("li", {}, `${one.at}: ${one.kind} for ${one.match}, ${one.times} left`)));
}

const buildsPanel = el("div", { id: "builds" },
  el("div", { class: "actions" }, appChoice, branchChoice,
    smallButton("Start a build", () => runCommand("build", { app: appChoice.value, by: "webhook-github/octo", params: { branch: branchChoice.value, commit_message: "Make the login stricter", commit_hash: "b1709bb1709bb1709bb1709bb1709bb1709bb170" } })),
    smallButton("Start a pipeline", () => runCommand("pipeline", { app: appChoice.value, params: { branch: branchChoice.value, commit_message: "Prepare the release" } })),
    smallButton("External pull request", () => runCommand("hold", { app: appChoice.value }, "A build is waiting for approval."))),
  list,
  buildioApps,
  el("h2", {}, "Time"),
  el("div", { class: "actions" },
    smallButton("Skip 1 min", () => runCommand("skip", { seconds: 60 }, "One minute has passed at Bitrise and Build.io.")),
    smallButton("Skip 10 min", () => runCommand("skip", { seconds: 600 }, "Ten minutes have passed at Bitrise and Build.io.")),
    el("label", {}, "Builds run ", el("select", { onchange: (event) => runCommand("pace", { pace: Number(event.target.value) }) },
      [1, 10, 60].map((speed) => el("option", { value: speed, selected: speed === 10 }, `${speed} times as fast`))))),
  el("h2", {}, "Faults"),
  el("div", { class: "actions" }, FAULTS.map(([name, command, parameters]) => smallButton(name, () => runCommand(command, parameters, `${name}: active`))),
    smallButton("Clear faults", () => runCommand("heal", {}, "All faults are cleared."))),
  active,
  statusText);

/* --- tabs --- */

const tabs = el("div", { class: "tabs" });

function renderTabs() {
  tabs.replaceChildren(...[["builds", "Control panel"], ["steps", "Workflow steps"], ["inspector", "Inspector"]].map(([name, label]) => el("button", {
    type: "button", "aria-pressed": String(tab === name), onclick: () => { tab = name; renderTabs(); renderEntries(); },
  }, label, name === "inspector" ? el("span", { id: "broken", class: `count${state.violation_count ? " bad" : ""}`, "aria-label": `${state.violation_count} violations` }, String(state.violation_count)) : null)),
  el("span", { class: "hint connections" }, `${state.connections} connection${state.connections === 1 ? "" : "s"}`),
  el("button", { type: "button", class: "icon panel-button", "aria-label": "Back to the conversation", onclick: () => document.body.removeAttribute("data-panel") }, "✕"));
  buildsPanel.hidden = tab !== "builds";
  steps.hidden = tab !== "steps";
  inspector.hidden = tab !== "inspector";
}

document.getElementById("panel").append(tabs, buildsPanel, steps, inspector);
renderTabs();
on(["violation_count", "connections"], renderTabs);
on(["apps"], renderApps);
on(["builds"], renderBuilds);
on(["faults"], renderFaults);
