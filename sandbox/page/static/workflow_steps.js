// Workflow steps of the app: a form to run one, and the results.

import { el } from "./dom.js";
import { on, sendCommand, state } from "./store.js";

const choice = el("select", { "aria-label": "Step", onchange: () => renderFields() });
const form = el("div", {});
const runs = el("ol", { class: "entries", reversed: true, "aria-label": "Step runs" });
const problem = el("p", { class: "error", role: "alert" });

export const steps = el("div", { id: "steps" },
  el("p", { class: "hint" }, "Run one of the app's workflow steps:"),
  choice, form, problem,
  el("button", { type: "button", class: "button small", onclick: runStep }, "Run step"), runs);

const functions = () => state.manifest?.functions ?? {};

function renderSteps() {
  if (choice.childElementCount) return;
  choice.replaceChildren(...Object.entries(functions()).map(([name, one]) => el("option", { value: name }, one.title)));
  renderFields();
}

/** Return the step's inputs: a manifest has them in `properties` beside `required`, or each with its own `is_required`. */
function parameters() {
  const declared = functions()[choice.value]?.input_parameters ?? {};
  const nested = declared.properties && typeof declared.properties.type !== "string";
  return Object.entries(nested ? declared.properties : declared)
    .map(([name, one]) => [name, one, nested ? (declared.required ?? []).includes(name) : one.is_required]);
}

function renderFields() {
  form.replaceChildren(...parameters().map(([name, one, required]) => el("label", { class: "row" },
    el("span", {}, one.title ?? name, required ? "" : el("span", { class: "hint" }, " (optional)")),
    one.type.endsWith("user_id")
      ? el("select", { name }, el("option", { value: "" }, "nobody"), state.people.filter((one) => !one.deleted).map((person) => el("option", { value: person.id }, person.real_name)))
      : el(name === "variables" ? "textarea" : "input", { name, title: one.description, "data-type": one.type }))));
}

async function runStep() {
  problem.textContent = "";
  const inputs = {};
  for (const field of form.querySelectorAll("[name]")) {
    if (field.value) inputs[field.name] = field.dataset.type === "integer" ? Number(field.value) : field.value;
  }
  try {
    await sendCommand("step", { function: choice.value, inputs });
  } catch (error) {
    problem.textContent = error.message;
  }
}

function renderRuns() {
  runs.replaceChildren(...[...(state.runs ?? [])].reverse().map((one) => el("li", {}, el("details", { open: true },
    el("summary", {}, el("strong", {}, functions()[one.function]?.title ?? one.function), ` ${one.status}`),
    el("pre", {}, one.error ?? JSON.stringify(one.outputs ?? one.inputs, null, 2))))));
}

on(["manifest", "people"], renderSteps);
on(["runs"], renderRuns);
