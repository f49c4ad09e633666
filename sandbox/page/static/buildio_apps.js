// Build.io's apps: how each is deployed, its dynos and host names, and buttons that let things happen to them.

import { el } from "./dom.js";
import { run, small } from "./control_buttons.js";
import { on, state } from "./store.js";

const STATUSES = { pending: "⏸ pending", building: "▶ building", releasing: "▶ releasing", succeeded: "✅ succeeded", failed: "❌ failed" };
const STATES = { starting: "▶ starting", up: "✅ up", crashed: "❌ crashed", restarting: "🔄 restarting", idle: "💤 idle" };
const CERTIFICATES = { pending: "⏸ pending", verifying: "▶ verifying", issued: "🔒 certified", failed: "❌ no certificate" };

const list = el("ul", { class: "builds", "aria-label": "Apps at Build.io" });

/** The pane. */
export const platform = el("section", { id: "platform", "aria-label": "Build.io" }, el("h2", {}, "Build.io"), list);

function deployment(app) {
  const one = app.deployment;
  if (!one) return el("span", {}, "nothing deployed");
  return el("span", { title: one.error ?? "" }, `v${one.version} ${STATUSES[one.status] ?? one.status}`);
}

function dyno(app, one) {
  const which = { app: app.name, dyno: one.name };
  const name = `${app.name} ${one.name}`;
  const restarts = one.restarts ? ` ×${one.restarts}` : "";
  return el("div", { class: "dyno" },
    el("span", {}, `${one.name} ${STATES[one.state] ?? one.state}${restarts}${one.loops ? " ⏳ loops" : ""}`),
    el("span", { class: "actions" },
      small("Crash", () => run("buildio-crash", which), { "aria-label": `Let ${name} crash` }),
      one.loops
        ? small("Steady", () => run("buildio-steady", which), { "aria-label": `Let ${name} stay up` })
        : small("Loop", () => run("buildio-loop", which), { "aria-label": `Let ${name} crash in a loop` })));
}

function show() {
  list.replaceChildren(...state.platform.map((app) => {
    const open = app.deployment && !["succeeded", "failed"].includes(app.deployment.status);
    return el("li", {},
      el("span", { class: "name" }, app.name, el("span", { class: "hint" }, ` ${app.deployment?.branch ?? ""}`)),
      deployment(app),
      app.deployment?.error ? el("p", { class: "hint" }, app.deployment.error) : null,
      el("span", { class: "actions" },
        small("Deploy", () => run("buildio-deploy", { app: app.name }), { "aria-label": `Deploy ${app.name}` }),
        small("Deploy badly", () => run("buildio-deploy", { app: app.name, fails: true }), { "aria-label": `Deploy ${app.name} badly` }),
        small("Deploy, then loop", () => run("buildio-deploy", { app: app.name, loops: true }), { "aria-label": `Deploy ${app.name}, whose dynos then loop` }),
        open ? small("End", () => run("buildio-end", { app: app.name }), { "aria-label": `End the deployment of ${app.name}` }) : null),
      app.dynos.map((one) => dyno(app, one)),
      app.domains.slice(1).map((one) => el("p", { class: "hint" }, `${one.hostname} ${CERTIFICATES[one.status] ?? one.status}`)));
  }));
}

on(["platform"], show);
