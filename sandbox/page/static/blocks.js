// Block Kit blocks, rendered like Slack's.

import { el, newId } from "./dom.js";
import { elementOf } from "./elements.js";
import { richText, textOf, unknown } from "./mrkdwn.js";

/** Render the blocks of a message, a Home or a modal. `context` has the callbacks of elements.js, and errors by block id. */
export function blocksOf(blocks, context) {
  return blocks.map((block) => {
    const make = BLOCKS[block.type];
    const made = make ? make(block, context) : unknown(block);
    made.classList.add("block");
    return made;
  });
}

/** Return the name of an element in the control API. */
export const nameOf = (element) => element.action_id ?? element.text?.text;

function section(block, context) {
  return el("div", { class: "section" },
    el("div", { class: "text" },
      block.text && textOf(block.text),
      block.fields && el("div", { class: "fields" }, block.fields.map((field) => el("div", {}, textOf(field))))),
    block.accessory && el("div", { class: "accessory" }, elementIn(block, block.accessory, context)));
}

function elementIn(block, element, context, more = {}) {
  return elementOf(element, { ...context, use: (one, given) => context.use(block, one, given), options: (one, typed) => context.options(block, one, typed), value: context.values?.[block.block_id], ...more }) ?? unknown(element);
}

function input(block, context) {
  const label = newId("label");
  const error = context.errors?.[block.block_id];
  const described = error && newId("error");
  return el("div", { class: `input${error ? " wrong" : ""}`, "data-block": block.block_id },
    el("div", { class: "label", id: label }, block.label.text, block.optional ? el("span", { class: "hint" }, " (optional)") : null),
    elementIn(block, block.element, { ...context, use: (_block, _element, given) => context.fill(block, given) }, { labelled: label, error: described }),
    block.hint && el("p", { class: "hint" }, block.hint.text),
    error && el("p", { class: "error", id: described, role: "alert" }, error));
}

function table(block) {
  const cell = (one) => (one.type === "rich_text" ? richText(one) : one.text ?? "");
  const [head, ...rows] = block.rows;
  return el("div", { class: "table" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((one) => el("th", {}, cell(one))))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((one, place) => el("td", { style: `text-align:${block.column_settings?.[place]?.align ?? "left"}` }, cell(one))))))));
}

function markdown(block) {
  const made = el("div", { class: "markdown" });
  made.innerHTML = block._html; // rendered by the server, which escapes HTML
  return made;
}

const BLOCKS = {
  section,
  input,
  table,
  markdown,
  header: (block) => el("h3", {}, textOf(block.text)),
  context: (block) => el("div", { class: "context" }, block.elements.map((one) =>
    one.type === "image" ? el("img", { src: one.image_url, alt: one.alt_text }) : textOf(one))),
  divider: () => el("hr"),
  actions: (block, context) => el("div", { class: "actions" }, block.elements.map((one) => elementIn(block, one, context))),
  image: (block) => el("figure", {}, block.title && el("figcaption", {}, block.title.text), el("img", { src: block.image_url, alt: block.alt_text })),
  rich_text: richText,
};
