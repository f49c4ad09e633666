// The Build.io apps: their deployments, dynos and domains, with buttons to change them.

import { el } from "./dom.js";
import { runCommand, smallButton } from "./control_buttons.js";
import { on, state } from "./store.js";

const STATUSES = { pending: "⏸ pending", building: "▶ building", releasing: "▶ releasing", succeeded: "✅ succeeded", failed: "❌ failed" };
const STATES = { starting: "▶ starting", up: "✅ up", crashed: "❌ crashed", restarting: "🔄 restarting", idle: "💤 idle" };
const CERTIFICATES = { pending: "⏸ pending", verifying: "▶ verifying", issued: "🔒 certified", failed: "❌ no certificate" };

const list = el("ul", { class: "builds", "aria-label": "Apps at Build.io" });

/** The panel section with all apps. */
export const buildioApps = el("section", { id: "buildio-apps", "aria-label": "Build.io" }, el("h2", {}, "Build.io"), list);

function renderDeployment(app) {
  const current = app.deployment;
  if (!current) return el("span", {}, "nothing deployed");
  return el("span", { title: current.error ?? "" }, `v${current.version} ${STATUSES[current.status] ?? current.status}`);
}

function renderDyno(app, dyno) {
  const target = { app: app.name, dyno: dyno.name };
  const name = `${app.name} ${dyno.name}`;
  const restarts = dyno.restarts ? ` ×${dyno.restarts}` : "";
  return el("div", { class: "dyno" },
    el("span", {}, `${dyno.name} ${STATES[dyno.state] ?? dyno.state}${restarts}${dyno.loops ? " ⏳ loops" : ""}`),
    el("span", { class: "actions" },
      smallButton("Crash", () => runCommand("buildio-crash", target), { "aria-label": `Crash ${name}` }),
      dyno.loops
        ? smallButton("Steady", () => runCommand("buildio-steady", target), { "aria-label": `Keep ${name} up` })
        : smallButton("Loop", () => runCommand("buildio-loop", target), { "aria-label": `Crash ${name} in a loop` })));
}

function show() {
  list.replaceChildren(...state.buildio_apps.map((app) => {
    const open = app.deployment && !["succeeded", "failed"].includes(app.deployment.status);
    return el("li", {},
      el("span", { class: "name" }, app.name, el("span", { class: "hint" }, ` ${app.deployment?.branch ?? ""}`)),
      renderDeployment(app),
      app.deployment?.error ? el("p", { class: "hint" }, app.deployment.error) : null,
      el("span", { class: "actions" },
        smallButton("Deploy", () => runCommand("buildio-deploy", { app: app.name }), { "aria-label": `Deploy ${app.name}` }),
        smallButton("Deploy (fail)", () => runCommand("buildio-deploy", { app: app.name, fails: true }), { "aria-label": `Deploy ${app.name} (fail)` }),
        smallButton("Deploy (crash loop)", () => runCommand("buildio-deploy", { app: app.name, loops: true }), { "aria-label": `Deploy ${app.name} (crash loop)` }),
        open ? smallButton("Finish", () => runCommand("buildio-end", { app: app.name }), { "aria-label": `Finish the deployment of ${app.name}` }) : null),
      app.dynos.map((dyno) => renderDyno(app, dyno)),
      app.domains.slice(1).map((one) => el("p", { class: "hint" }, `${one.hostname} ${CERTIFICATES[one.status] ?? one.status}`)));
  }));
}

on(["buildio_apps"], show);
