// Behind the scenes: the build farm, the faults, and the inspector.

import { el } from "./dom.js";
import { platform } from "./buildio_apps.js";
import { run, said, small } from "./control_buttons.js";
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
const WORDS = { "on-hold": "⏸ on hold", "in-progress": "▶ running", success: "✅ succeeded", error: "❌ failed", aborted: "🛑 aborted", "aborted-with-success": "☑ aborted, as a success" };

let tab = "farm";
let filter = "";
const active = el("ul", { class: "hint", "aria-label": "Faults that are on" });

/* --- the farm --- */

const appChoice = el("select", { "aria-label": "App", onchange: () => branches() });
const branchChoice = el("select", { "aria-label": "Branch" });
const list = el("ul", { class: "builds" });

function apps() {
  appChoice.replaceChildren(...state.apps.map((one) => el("option", { value: one.slug }, one.title)));
  branches();
}

function branches() {
  const app = state.apps.find((one) => one.slug === appChoice.value);
  branchChoice.replaceChildren(...(app?.branches ?? []).map((one) => el("option", {}, one)));
}

function builds() {
  list.replaceChildren(...state.builds.map((one) => {
    const which = { app: one.app, number: one.number };
    const name = `${one.app} #${one.number}`;
    const open = OPEN.has(one.status);
    return el("li", {},
      el("span", { class: "name" }, name, el("span", { class: "hint" }, ` ${one.branch ?? ""}`)),
      el("span", {}, one.hangs && open ? "⏳ hangs" : WORDS[one.status] ?? one.status),
      open ? el("span", { class: "actions" },
        small("Pass", () => run("end", { ...which, result: "success" }), { "aria-label": `Let ${name} pass` }),
        small("Fail", () => run("end", { ...which, result: "error" }), { "aria-label": `Let ${name} fail` }),
        small("Crash", () => run("end", { ...which, result: "error", crash: true }), { "aria-label": `Let ${name} crash` }),
        small("Hang", () => run("hang", which), { "aria-label": `Let ${name} hang` }),
        small("Abort", () => run("abort", { ...which, reason: "not needed any more" }), { "aria-label": `Abort ${name} on Bitrise's own page` })) : null);
  }));
}

function faults() {
  active.replaceChildren(...state.faults.map((one) => el("li", {}, `${one.at}: ${one.kind} for ${one.match}, ${one.times} more`)));
}

const farm = el("div", { id: "farm" },
  el("div", { class: "actions" }, appChoice, branchChoice,
    small("Start a build", () => run("build", { app: appChoice.value, by: "webhook-github/octo", params: { branch: branchChoice.value, commit_message: "Make the login stricter", commit_hash: "b1709bb1709bb1709bb1709bb1709bb1709bb170" } })),
    small("Start a pipeline", () => run("pipeline", { app: appChoice.value, params: { branch: branchChoice.value, commit_message: "Prepare the release" } })),
    small("A stranger's pull request", () => run("hold", { app: appChoice.value }, "A build waits for approval."))),
  list,
  platform,
  el("h2", {}, "Time"),
  el("div", { class: "actions" },
    small("Skip 1 min", () => run("skip", { seconds: 60 }, "A minute has passed at Bitrise and Build.io.")),
    small("Skip 10 min", () => run("skip", { seconds: 600 }, "Ten minutes have passed at Bitrise and Build.io.")),
    el("label", {}, "Builds live ", el("select", { onchange: (event) => run("pace", { pace: Number(event.target.value) }) },
      [1, 10, 60].map((pace) => el("option", { value: pace, selected: pace === 10 }, `${pace} times as fast`))))),
  el("h2", {}, "Faults"),
  el("div", { class: "actions" }, FAULTS.map(([name, what, given]) => small(name, () => run(what, given, `${name}: on`))),
    small("All well again", () => run("heal", {}, "All faults are off."))),
  active,
  said);

/* --- the inspector --- */

const entries = el("ol", { class: "entries", reversed: true });
const drawn = new Map();
const search = el("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter by name", oninput: () => { filter = search.value.toLowerCase(); inspect(); } });
const inspector = el("div", { id: "inspector" }, el("div", { id: "violations" }), search, entries);

function inspect() {
  if (tab !== "inspector") return;
  document.getElementById("violations").replaceChildren(...state.violations.slice(-5).map((one) => el("p", { class: "error" }, one)));
  const wanted = [...state.entries.values()].filter((one) => `${one.what} ${one.between}`.toLowerCase().includes(filter)).slice(-100).reverse();
  const kept = new Set(wanted.map((one) => one.id));
  for (const [id, one] of drawn) if (!kept.has(id)) { one.element.remove(); drawn.delete(id); }
  wanted.forEach((entry, place) => {
    const known = drawn.get(entry.id);
    const closed = entry.seconds !== null;
    if (!known || known.closed !== closed) {
      const element = entryOf(entry);
      known?.element.replaceWith(element);
      drawn.set(entry.id, { element, closed });
    }
    const { element } = drawn.get(entry.id);
    if (entries.children[place] !== element) entries.insertBefore(element, entries.children[place] ?? null);
  });
}

function entryOf(entry) {
  const took = entry.seconds === null ? "…" : `${Math.round(entry.seconds * 1000)} ms`;
  const details = el("details", { class: entry.broken.length ? "broken" : "" },
    el("summary", {}, el("span", { class: "hint" }, entry.between), " ", el("strong", {}, entry.what), " ",
      entry.status && entry.status >= 400 ? el("span", { class: "error" }, String(entry.status)) : null, el("span", { class: "hint took" }, took)));
  // The JSON is only made when somebody looks.
  details.addEventListener("toggle", () => {
    if (!details.open || details.childElementCount > 1) return;
    details.append(...entry.broken.map((rule) => el("p", { class: "error" }, rule)), el("pre", {}, JSON.stringify(entry.request, null, 2)), el("p", { class: "hint" }, "answer"), el("pre", {}, JSON.stringify(entry.answer, null, 2)));
  });
  return el("li", {}, details);
}

/* --- both --- */

const tabs = el("div", { class: "tabs" });

function head() {
  tabs.replaceChildren(...[["farm", "Build farm"], ["steps", "Workflow steps"], ["inspector", "Inspector"]].map(([name, words]) => el("button", {
    type: "button", "aria-pressed": String(tab === name), onclick: () => { tab = name; head(); inspect(); },
  }, words, name === "inspector" ? el("span", { id: "broken", class: `count${state.broken ? " bad" : ""}`, "aria-label": `${state.broken} broken rules` }, String(state.broken)) : null)),
  el("span", { class: "hint connections" }, `${state.connections} connection${state.connections === 1 ? "" : "s"}`),
  el("button", { type: "button", class: "icon panel-button", "aria-label": "Back to the conversation", onclick: () => document.body.removeAttribute("data-panel") }, "✕"));
  farm.hidden = tab !== "farm";
  steps.hidden = tab !== "steps";
  inspector.hidden = tab !== "inspector";
}

document.getElementById("panel").append(tabs, farm, steps, inspector);
head();
on(["broken", "connections"], head);
on(["apps"], apps);
on(["builds"], builds);
on(["faults"], faults);
on(["entries", "violations"], inspect);
