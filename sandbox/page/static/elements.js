// Block Kit elements. `use(element, value)` is called when the user acts, `options(element, typed)` loads the options of
// an external select, and `value` is the current value of an input.

import { el, newId } from "./dom.js";
import { state } from "./store.js";
import { confirmAction } from "./confirmation_dialog.js";

/** Render an element of a message, a Home or a modal; null if its type is unknown. */
export function elementOf(element, { use, options, value, labelled, error }) {
  const make = MAKERS[element.type];
  if (!make) return null;
  const confirmed = async (given) => {
    if (!element.confirm || (await confirmAction(element.confirm))) return use(element, given);
    return undefined;
  };
  const described = error ? { "aria-invalid": "true", "aria-describedby": error } : {};
  return make(element, { use: confirmed, options, value, common: { ...(labelled ? { "aria-labelledby": labelled } : {}), ...described } });
}

function button(element, { use }) {
  const label = element.text.text;
  const node = el("button", {
    class: `button ${element.style ?? ""}`,
    type: "button",
    "aria-label": element.accessibility_label,
    onclick: async () => {
      if (element.url) window.open(element.url, "_blank", "noreferrer");
      node.classList.add("busy");
      const result = await Promise.resolve(use()).catch(() => null);
      node.classList.remove("busy");
      node.classList.toggle("failed", result?.acknowledged_in_seconds === null);
      node.title = result?.acknowledged_in_seconds === null ? "The app didn't respond in time." : "";
    },
  }, label, element.url ? el("span", { class: "unseen" }, " (opens a new page)") : null);
  return node;
}

const optionOf = (option, isSelected) => el("option", { value: option.value, selected: isSelected }, option.text.text);

function staticSelect(element, { use, value, common }) {
  const multiple = element.type.startsWith("multi_");
  const selected = multiple ? value ?? (element.initial_options ?? []).map((one) => one.value) : [value ?? element.initial_option?.value];
  const groups = element.option_groups ?? [{ options: element.options }];
  return el("select", {
    ...common,
    multiple,
    "aria-label": common["aria-labelledby"] ? undefined : element.placeholder?.text ?? "Choose",
    onchange: (event) => use(multiple ? [...event.target.selectedOptions].map((one) => one.value) : event.target.value),
  },
  multiple ? null : el("option", { value: "" }, element.placeholder?.text ?? "Choose an option"),
  groups.map((group) => {
    const node = group.options.map((option) => optionOf(option, selected.includes(option.value)));
    return group.label ? el("optgroup", { label: group.label.text }, node) : node;
  }));
}

/** Render a combobox whose options the app supplies. */
function externalSelect(element, { use, options, value, common }) {
  const list = newId("options");
  const multiple = element.type.startsWith("multi_");
  const selected = multiple ? [...(value ?? element.initial_options ?? [])] : value ?? element.initial_option;
  const input = el("input", {
    ...common,
    type: "text",
    role: "combobox",
    autocomplete: "off",
    value: multiple ? "" : selected?.text?.text ?? "",
    placeholder: element.placeholder?.text ?? "Type to search",
    "aria-label": common["aria-labelledby"] ? undefined : element.placeholder?.text ?? "Type to search",
    "aria-expanded": "false",
    "aria-controls": list,
    "aria-autocomplete": "list",
  });
  const found = el("ul", { id: list, role: "listbox", hidden: true });
  const chips = el("span", { class: "chips" });
  const show = () => chips.replaceChildren(...(multiple ? selected : []).map((one) => el("button", {
    class: "chip", type: "button", "aria-label": `Remove ${one.text.text}`, onclick: () => drop(one),
  }, one.text.text, el("span", { "aria-hidden": "true" }, " ✕"))));
  const drop = (one) => {
    selected.splice(selected.indexOf(one), 1);
    show();
    input.focus();
    use(selected);
  };
  let lastRequest = 0;
  let offered = [];
  let timer;
  const close = () => { found.hidden = true; input.setAttribute("aria-expanded", "false"); };
  const choose = (option) => {
    clearTimeout(timer); // a selection makes a pending search unnecessary
    lastRequest += 1;
    if (multiple) selected.push(option);
    input.value = multiple ? "" : option.text.text;
    show();
    close();
    use(multiple ? selected : option);
  };
  const search = async () => {
    const request = ++lastRequest;
    const loaded = await options(element, input.value);
    if (request !== lastRequest) return;
    offered = [];
    const groups = loaded[0]?.options ? loaded : [{ options: loaded }];
    found.replaceChildren(...groups.flatMap((group) => [
      ...(group.label ? [el("li", { class: "group", role: "presentation" }, group.label.text)] : []),
      ...group.options.map((option) => {
        offered.push(option);
        return el("li", {
          role: "option", id: `${list}-${offered.length}`, onpointerdown: (event) => { event.preventDefault(); choose(option); },
        }, option.text.text);
      }),
    ]), ...(loaded.length ? [] : [el("li", { class: "none" }, "No results")]));
    found.hidden = false;
    input.setAttribute("aria-expanded", "true");
  };
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(search, 150); });
  input.addEventListener("focus", () => { if ((element.min_query_length ?? 3) === 0) search(); });
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const all = [...found.querySelectorAll("[role=option]")];
    const at = all.findIndex((one) => one.classList.contains("at"));
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const next = all[(at + (event.key === "ArrowDown" ? 1 : all.length - 1)) % all.length] ?? all[0];
      all.forEach((one) => one.classList.toggle("at", one === next));
      if (next) input.setAttribute("aria-activedescendant", next.id);
    } else if (event.key === "Enter" && at >= 0) {
      event.preventDefault();
      choose(offered[at]);
    } else if (event.key === "Escape" && !found.hidden) {
      event.stopPropagation();
      close();
    }
  });
  show();
  return el("span", { class: "combobox" }, chips, input, found);
}

function userOrChannelSelect(element, { use, value, common }) {
  const people = element.type.includes("users");
  const places = people
    ? state.people.map((one) => [one.id, one.real_name])
    : state.channels.filter((one) => one.kind !== "im").map((one) => [one.id, `#${one.name}`]);
  const multiple = element.type.startsWith("multi_");
  const first = element.initial_user ?? element.initial_channel ?? element.initial_conversation;
  const selected = multiple ? value ?? element.initial_users ?? element.initial_channels ?? element.initial_conversations ?? [] : [value ?? first];
  return el("select", {
    ...common,
    multiple,
    "aria-label": common["aria-labelledby"] ? undefined : element.placeholder?.text ?? "Choose",
    onchange: (event) => use(multiple ? [...event.target.selectedOptions].map((one) => one.value) : event.target.value),
  },
  multiple ? null : el("option", { value: "" }, element.placeholder?.text ?? "Choose"),
  places.map(([id, name]) => el("option", { value: id, selected: selected.includes(id) }, name)));
}

function overflow(element, { use }) {
  return el("details", { class: "overflow" },
    el("summary", { "aria-label": "More actions" }, "⋯"),
    el("div", { class: "menu" }, element.options.map((option) => el("button", {
      type: "button",
      onclick: (event) => {
        event.target.closest("details").open = false;
        if (option.url) window.open(option.url, "_blank", "noreferrer");
        use(option.value);
      },
    }, option.text.text))));
}

function choiceInput(element, { use, value, common }) {
  const multiple = element.type === "checkboxes";
  const name = newId("choice");
  const selected = multiple ? value ?? (element.initial_options ?? []).map((one) => one.value) : [value ?? element.initial_option?.value];
  const group = el("div", { class: "choices", role: multiple ? "group" : "radiogroup", ...common });
  group.append(...element.options.map((option) => {
    const id = newId("option");
    const input = el("input", {
      type: multiple ? "checkbox" : "radio", id, name, value: option.value, checked: selected.includes(option.value),
      onchange: () => use(multiple ? [...group.querySelectorAll("input:checked")].map((one) => one.value) : option.value),
    });
    const description = option.description && el("span", { class: "hint" }, option.description.text);
    return el("div", { class: "choice" }, input, el("label", { htmlFor: id }, option.text.text, description ? el("br") : null, description));
  }));
  return group;
}

const PICKERS = {
  datepicker: ["date", "initial_date", "Choose a date"],
  timepicker: ["time", "initial_time", "Choose a time"],
  datetimepicker: ["datetime-local", "initial_date_time", "Choose a date and a time"],
};

function dateTimePicker(element, { use, value, common }) {
  const [type, initial, name] = PICKERS[element.type];
  const selected = value ?? element[initial];
  const shown = type === "datetime-local" && selected ? new Date(selected * 1000).toISOString().slice(0, 16) : selected ?? "";
  return el("input", {
    ...common, type, value: shown,
    "aria-label": common["aria-labelledby"] ? undefined : element.placeholder?.text ?? name,
    onchange: (event) => use(type === "datetime-local" ? Math.floor(new Date(`${event.target.value}Z`).getTime() / 1000) : event.target.value),
  });
}

const INPUT_TYPES = { email_text_input: "email", url_text_input: "url", number_input: "text", plain_text_input: "text" };

function textInput(element, { use, value, common }) {
  return el(element.multiline ? "textarea" : "input", {
    ...common,
    type: element.multiline ? undefined : INPUT_TYPES[element.type],
    inputMode: element.type === "number_input" ? "decimal" : undefined,
    maxLength: element.max_length,
    placeholder: element.placeholder?.text,
    value: value ?? element.initial_value ?? "",
    oninput: (event) => use(event.target.value),
  });
}

function image(element) {
  return el("img", { src: element.image_url, alt: element.alt_text, loading: "lazy" });
}

const MAKERS = {
  button,
  image,
  overflow,
  static_select: staticSelect,
  multi_static_select: staticSelect,
  external_select: externalSelect,
  multi_external_select: externalSelect,
  users_select: userOrChannelSelect,
  multi_users_select: userOrChannelSelect,
  channels_select: userOrChannelSelect,
  multi_channels_select: userOrChannelSelect,
  conversations_select: userOrChannelSelect,
  multi_conversations_select: userOrChannelSelect,
  checkboxes: choiceInput,
  radio_buttons: choiceInput,
  datepicker: dateTimePicker,
  timepicker: dateTimePicker,
  datetimepicker: dateTimePicker,
  plain_text_input: textInput,
  email_text_input: textInput,
  url_text_input: textInput,
  number_input: textInput,
  file_input: () => el("p", { class: "hint" }, "Files can't be uploaded in the sandbox."),
};
