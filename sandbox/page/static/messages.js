// The conversation: messages of a channel or thread, or the app's Home.

import { blocksOf, nameOf } from "./blocks.js";
import { announce, el } from "./dom.js";
import { mrkdwn, unknown } from "./mrkdwn.js";
import { changed, channel, go, on, sendCommand, person, state, visible } from "./store.js";

const PAGE_SIZE = 60;
let more = 0;
let rendered = new Map(); // ts → { key, element }
let renderedView = "";

const root = () => document.getElementById("conversation");

function show() {
  if (!state.manifest || !channel()) return;
  const view = `${state.person} ${state.channel} ${state.thread} ${state.home}`;
  const isNewView = view !== renderedView;
  if (isNewView) {
    renderedView = view;
    more = 0;
    rendered = new Map();
    root().replaceChildren();
  }
  renderHeading();
  if (state.home) renderHome();
  else renderMessages(isNewView);
}

function renderHeading() {
  const here = channel();
  const who = here.im_with ? state.bot.name : `${here.kind === "group" ? "🔒" : "#"} ${here.name}`;
  const title = state.home ? `${state.bot.name} · Home` : state.thread ? `Thread in ${who}` : who;
  const tabs = here.im_with && state.manifest.features.app_home?.home_tab_enabled
    ? el("div", { class: "tabs" },
      el("button", { type: "button", "aria-pressed": String(!state.home), onclick: () => { go(here.id); sendCommand("home", { tab: "messages" }); } }, "Messages"),
      el("button", { type: "button", "aria-pressed": String(state.home), onclick: () => { go(here.id, { home: true }); sendCommand("home"); } }, "Home"))
    : null;
  document.getElementById("heading").replaceChildren(
    state.thread ? el("button", { type: "button", class: "icon", "aria-label": "Back to the channel", onclick: () => go(here.id) }, "←") : "",
    el("h1", {}, title),
    here.archived ? el("span", { class: "hint" }, "archived") : here.has_bot || here.im_with ? "" : el("span", { class: "hint" }, `${state.bot.name} is not in this channel. To mention it: /invite @${state.bot.name}`),
    tabs ?? "",
    el("button", { type: "button", class: "icon panel-button", "aria-label": "Behind the scenes", onclick: () => document.body.toggleAttribute("data-panel") }, "⚙"));
}

function renderHome() {
  const view = state.homes[state.person];
  const context = {
    use: (block, element, given) => sendCommand("use", { element: nameOf(element), block_id: block.block_id, given }),
    // No searches behind an open modal.
    options: (block, element, typed) => (state.views[state.person]?.length ? [] : sendCommand("options", { element: nameOf(element), block_id: block.block_id, typed })),
    fill: () => {},
  };
  root().replaceChildren(view ? el("div", { class: "home" }, blocksOf(view.blocks, context)) : el("p", { class: "hint" }, "The app has not published its Home yet."));
}

function renderMessages(isNewView) {
  const list = root();
  const atEnd = isNewView || list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  const all = [...(state.posts.get(state.channel)?.values() ?? [])].filter(visible);
  const replies = new Map();
  for (const post of all) {
    if (post.thread_ts && post.thread_ts !== post.ts) replies.set(post.thread_ts, (replies.get(post.thread_ts) ?? 0) + 1);
  }
  const here = all.filter((post) => (state.thread
    ? post.ts === state.thread || post.thread_ts === state.thread
    : !post.thread_ts || post.thread_ts === post.ts || post.broadcast));
  const shown = here.slice(-(PAGE_SIZE + more));
  const next = new Map();
  const nodes = shown.map((post) => {
    const key = JSON.stringify([post, replies.get(post.ts)]);
    const known = rendered.get(post.ts);
    const element = known?.key === key ? known.element : renderMessage(post, replies.get(post.ts) ?? 0);
    if (!isNewView && known?.key !== key && post.by_bot) announce(`${state.bot.name}: ${post.text}`);
    next.set(post.ts, { key, element });
    return element;
  });
  rendered = next;
  const earlier = here.length > shown.length
    ? [el("button", { type: "button", class: "earlier", onclick: () => { more += PAGE_SIZE; changed("posts"); } }, "Earlier messages")]
    : [];
  replace(list, [...earlier, ...nodes]);
  if (!nodes.length) list.replaceChildren(el("p", { class: "hint empty" }, "Nothing here yet. Type / to see what the app can do."));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** Put these children into the list, touching only what differs: what has the focus keeps it. */
function replace(list, children) {
  const wanted = new Set(children);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null);
  });
}

function renderMessage(post, replies) {
  const who = post.by_bot ? { real_name: state.bot.name } : person(post.user) ?? { real_name: "Slackbot" };
  const at = new Date(Number(post.ts.split(".")[0]) * 1000);
  const context = {
    use: (block, element, given) => sendCommand("click", { channel: post.channel, ts: post.ts, button: nameOf(element), block_id: block.block_id, given }),
    options: (block, element, typed) => sendCommand("options", { channel: post.channel, ts: post.ts, element: nameOf(element), block_id: block.block_id, typed }),
    fill: (block, given) => sendCommand("click", { channel: post.channel, ts: post.ts, button: nameOf(block.element), block_id: block.block_id, given }),
  };
  const replied = post.broadcast && !state.thread;
  return el("article", { class: `message${post.only_for ? " ephemeral" : ""}`, "data-ts": post.ts, "aria-label": `${who.real_name}: ${post.text.slice(0, 120)}` },
    el("div", { class: "avatar", "aria-hidden": "true" }, post.by_bot ? "🔔" : who.real_name[0]),
    el("div", { class: "content" },
      post.only_for ? el("p", { class: "only" }, "👁 Only visible to you") : null,
      el("p", { class: "who" },
        el("strong", {}, who.real_name),
        post.by_bot ? el("span", { class: "app" }, "APP") : null,
        el("time", { dateTime: at.toISOString() }, at.toLocaleTimeString("en", { hour: "2-digit", minute: "2-digit", hour12: false })),
        post.edited ? el("span", { class: "hint" }, "(edited)") : null),
      replied ? el("button", { type: "button", class: "replies", onclick: () => go(post.channel, { thread: post.thread_ts }) }, "replied to a thread") : null,
      post.blocks.length ? el("div", { class: "blocks" }, blocksOf(post.blocks, context)) : post.text ? el("div", { class: "block" }, mrkdwn(post.text)) : null,
      (post.attachments ?? []).map((one) => renderAttachment(one, context)),
      (post.files ?? []).map(renderFile),
      post.pinned ? el("p", { class: "hint" }, "📌 Pinned") : null,
      renderReactions(post),
      replies ? el("button", { type: "button", class: "replies", onclick: () => go(post.channel, { thread: post.ts }) }, `${replies} ${replies === 1 ? "reply" : "replies"}`) : null),
    messageActions(post));
}

function renderReactions(post) {
  const all = Object.entries(post.reactions ?? {});
  if (!all.length) return null;
  return el("div", { class: "reactions", role: "group", "aria-label": "Reactions" }, all.map(([name, users]) => el("button", {
    type: "button", class: "chip", title: `:${name}:`, "aria-pressed": String(users.includes(state.person)),
    "aria-label": `${name}, ${users.length} ${users.length === 1 ? "reaction" : "reactions"}`,
    onclick: () => react(post, name),
  }, state.emoji[name] ?? `:${name}:`, ` ${users.length}`)));
}

const react = (post, emoji) => sendCommand("react", { channel: post.channel, ts: post.ts, emoji });

function renderFile(file) {
  if (file.mimetype.startsWith("image/")) return el("figure", {}, el("figcaption", {}, file.title), el("img", { src: file.url_private, alt: file.alt_txt || file.title }));
  return el("figure", { class: "file" },
    el("figcaption", {}, el("a", { href: file.url_private, target: "_blank", rel: "noreferrer" }, `📄 ${file.title}`), el("span", { class: "hint" }, ` ${file.pretty_type}`)),
    file.preview ? el("pre", {}, file.preview) : null);
}

function renderAttachment(one, context) {
  const known = one.blocks?.length || one.text || one.title || one.fallback || one.image_url;
  return el("div", { class: "attachment", style: one.color ? `--bar: ${/^#?[0-9a-f]{3,6}$/i.test(one.color) ? `#${one.color.replace("#", "")}` : COLOURS[one.color] ?? "var(--line)"}` : undefined },
    one.pretext ? el("p", {}, mrkdwn(one.pretext)) : null,
    one.title ? el("strong", {}, one.title) : null,
    one.text ? el("div", {}, mrkdwn(one.text)) : null,
    one.fields ? el("div", { class: "fields" }, one.fields.map((field) => el("div", {}, el("strong", {}, field.title), el("br"), mrkdwn(String(field.value))))) : null,
    one.blocks?.length ? blocksOf(one.blocks, context) : null,
    one.image_url ? el("img", { src: one.image_url, alt: one.fallback ?? "" }) : null,
    one.footer ? el("p", { class: "context" }, one.footer) : null,
    known ? null : unknown(one));
}

const COLOURS = { good: "#2eb67d", warning: "#ecb22e", danger: "#e01e5a" };

function messageActions(post) {
  const shortcuts = (state.manifest.features.shortcuts ?? []).filter((one) => one.type === "message");
  if (post.only_for) return null;
  return el("div", { class: "tools" },
    el("button", { type: "button", class: "icon", "aria-label": "Reply in thread", onclick: () => go(post.channel, { thread: post.thread_ts ?? post.ts }) }, "↩"),
    el("button", { type: "button", class: "icon", "aria-label": "React with 👀", title: "React with 👀", onclick: () => react(post, "eyes") }, "👀"),
    shortcuts.map((one) => el("button", { type: "button", class: "icon", title: one.description, onclick: () => sendCommand("shortcut", { callback_id: one.callback_id, channel: post.channel, ts: post.ts }) }, one.name)));
}

on(["posts", "place", "person", "channels", "manifest", "people", "homes"], show);
