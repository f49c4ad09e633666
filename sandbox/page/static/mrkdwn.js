// Slack's mrkdwn, and its rich text, as elements (docs.slack.dev, "Formatting message text").

import { el } from "./dom.js";
import { channel, person, state } from "./store.js";

const INLINE = /`([^`\n]+)`|<([^<>]+)>|:([a-z0-9_+'-]+):|(?<![\w*])\*(\S(?:[^*\n]*\S)?)\*(?![\w*])|(?<!\w)_(\S(?:[^_\n]*\S)?)_(?!\w)|(?<!\w)~(\S(?:[^~\n]*\S)?)~(?!\w)/g;

/** A text in Slack's markup. */
export function mrkdwn(text) {
  const root = el("span", { class: "mrkdwn" });
  text.split(/```\n?/).forEach((part, place) => {
    if (place % 2) root.append(el("pre", {}, decode(part.replace(/\n$/, ""))));
    else lines(part).forEach((node) => root.append(node));
  });
  return root;
}

function lines(text) {
  const nodes = [];
  let quoted = null;
  text.split("\n").forEach((line, place, all) => {
    const quote = line.match(/^(?:&gt;|>) ?(.*)$/);
    if (quote) {
      if (!quoted) nodes.push((quoted = el("blockquote")));
      else quoted.append(el("br"));
      quoted.append(...inline(quote[1]));
      return;
    }
    quoted = null;
    nodes.push(...inline(line));
    if (place < all.length - 1) nodes.push(el("br"));
  });
  return nodes;
}

function inline(text) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) nodes.push(decode(text.slice(at, match.index)));
    nodes.push(...span(match));
    at = match.index + match[0].length;
  }
  if (at < text.length) nodes.push(decode(text.slice(at)));
  return nodes;
}

function span([whole, code, angled, emoji, bold, italic, struck]) {
  if (code !== undefined) return [el("code", {}, decode(code))];
  if (angled !== undefined) return [reference(angled)];
  if (emoji !== undefined) return [emojiOf(emoji) ?? whole];
  if (bold !== undefined) return [el("strong", {}, ...inline(bold))];
  if (italic !== undefined) return [el("em", {}, ...inline(italic))];
  return [el("s", {}, ...inline(struck))];
}

function reference(inner) {
  const [target, label] = inner.split(/\|(.*)/s);
  if (target.startsWith("@")) return mention(target.slice(1));
  if (target.startsWith("#")) return el("span", { class: "mention" }, `#${channel(target.slice(1))?.name ?? label ?? target.slice(1)}`);
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!subteam^")) return el("span", { class: "mention" }, `@${state.groups[target.slice(9)] ?? target.slice(9)}`);
  if (target.startsWith("!")) return el("span", { class: "mention loud" }, `@${target.slice(1).split("^")[0]}`);
  return outside(decode(target), label === undefined ? decode(target) : inlineText(label));
}

const inlineText = (text) => inline(text);

/** A link that leads out of the page. */
export function outside(url, label) {
  if (!/^(https?|mailto):/.test(url)) return el("span", {}, label);
  return el("a", { href: url, target: "_blank", rel: "noreferrer" }, label);
}

/** Somebody's name. */
export function mention(id) {
  const name = id === state.bot.id ? state.bot.name : person(id)?.name ?? id;
  return el("span", { class: `mention${id === state.person ? " me" : ""}` }, `@${name}`);
}

function date(target, fallback) {
  const [, seconds, format = ""] = target.split("^");
  const at = new Date(Number(seconds) * 1000);
  if (Number.isNaN(at.getTime())) return fallback ?? target;
  const today = at.toDateString() === new Date().toDateString();
  const parts = {
    date: () => at.toLocaleDateString("en", { dateStyle: "long" }),
    date_short: () => at.toLocaleDateString("en", { dateStyle: "medium" }),
    date_long: () => at.toLocaleDateString("en", { dateStyle: "full" }),
    date_num: () => at.toISOString().slice(0, 10),
    time: () => at.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false }),
    time_secs: () => at.toLocaleTimeString("en", { hour12: false }),
  };
  const words = format.replace(/\{(\w+?)(_pretty)?\}/g, (whole, name, pretty) =>
    pretty && today ? "today" : parts[name]?.() ?? whole);
  return el("time", { dateTime: at.toISOString(), title: fallback }, words);
}

/** An emoji by its name, or null where nobody knows it. */
export function emojiOf(name) {
  const character = state.emoji[name.toLowerCase()];
  return character ? el("span", { class: "emoji", role: "img", "aria-label": name }, character) : null;
}

const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
const decode = (text) => text.replace(/&(amp|lt|gt);/g, (entity) => ENTITIES[entity]);

/** A text object. */
export function textOf(text) {
  return text.type === "mrkdwn" ? mrkdwn(text.text) : el("span", { class: "plain" }, ...emojis(text));
}

function emojis(text) {
  return text.emoji === false ? [text.text] : [...mrkdwn(text.text.replace(/[&<>*_~`]/g, (c) => ESCAPES[c] ?? c)).childNodes];
}

// In plain text only emoji names mean anything.
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\u2217", "_": "_\u2060", "~": "\u223c", "`": "\u02cb" };

/** A rich_text block. */
export function richText(block) {
  return el("div", { class: "rich" }, block.elements.map(richPart));
}

function richPart(part) {
  const inner = () => (part.elements ?? []).map(richSpan);
  switch (part.type) {
    case "rich_text_section": return el("p", {}, inner());
    case "rich_text_quote": return el("blockquote", {}, inner());
    case "rich_text_preformatted": return el("pre", {}, inner());
    case "rich_text_list":
      return el(part.style === "ordered" ? "ol" : "ul", {}, part.elements.map((item) => el("li", {}, (item.elements ?? []).map(richSpan))));
    default: return unknown(part);
  }
}

function richSpan(part) {
  switch (part.type) {
    case "text": return styled(part.text, part.style);
    case "link": return outside(part.url, part.text ?? part.url);
    case "emoji": return emojiOf(part.name) ?? `:${part.name}:`;
    case "user": return mention(part.user_id);
    case "channel": return el("span", { class: "mention" }, `#${channel(part.channel_id)?.name ?? part.channel_id}`);
    case "broadcast": return el("span", { class: "mention loud" }, `@${part.range}`);
    case "date": return date(`!date^${part.timestamp}^${part.format}`, part.fallback);
    case "color": return el("code", {}, part.value);
    default: return unknown(part);
  }
}

function styled(text, style = {}) {
  let node = document.createTextNode(text);
  for (const [name, tag] of [["code", "code"], ["bold", "strong"], ["italic", "em"], ["strike", "s"]]) {
    if (style[name]) node = el(tag, {}, node);
  }
  return node;
}

/** What can't be drawn, as its JSON: never dropped. */
export function unknown(thing) {
  return el("details", { class: "unknown" }, el("summary", {}, `Not shown in the sandbox: ${thing?.type ?? "?"}`), el("pre", {}, JSON.stringify(thing, null, 2)));
}
