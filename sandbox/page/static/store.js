// What the page knows, fed by the server's stream; whoever shows a part of it is told when that part changes.

const KEPT_A_CHANNEL = 300;
const ENTRIES_KEPT = 200;

export const state = {
  team: new URLSearchParams(location.search).get("team") ?? undefined, // the address says which workspace
  workspaces: [],
  groups: {},
  manifest: null,
  bot: null,
  people: [],
  channels: [],
  posts: new Map(), // channel id → Map(ts → post)
  views: {},
  homes: {},
  apps: [],
  builds: [],
  platform: [],
  faults: [],
  runs: [],
  entries: new Map(),
  violations: [],
  broken: 0,
  connections: 0,
  person: "U0ANNA",
  channel: "C0BUILDS",
  thread: null,
  home: false,
  unread: new Map(),
  emoji: {},
};

const listeners = new Map();

/** Call `show` whenever one of the parts changes. */
export function on(parts, show) {
  for (const part of parts) listeners.set(part, [...(listeners.get(part) ?? []), show]);
}

const waiting = new Set();

/** Tell everybody who shows one of these parts, once, when the browser next draws. */
export function changed(...parts) {
  if (waiting.size === 0) queueMicrotask(tell);
  for (const part of parts) for (const show of listeners.get(part) ?? []) waiting.add(show);
  waiting.add(nothing);
}

function nothing() {}

function tell() {
  const shows = [...waiting];
  waiting.clear();
  for (const show of shows) show();
}

export const person = (id) => state.people.find((one) => one.id === id);
export const channel = (id = state.channel) => state.channels.find((one) => one.id === id);
export const visible = (post) => !post.only_for || post.only_for === state.person;

/** Go to a channel, or to the Home where `home` is true. */
export function go(id, { home = false, thread = null } = {}) {
  Object.assign(state, { channel: id, home, thread });
  state.unread.set(id, 0);
  changed("place", "unread");
}

/** Be somebody else. */
export function become(id) {
  state.person = id;
  const here = channel();
  if (here?.im_with && here.im_with !== id) state.channel = `D${id.slice(1)}`;
  state.unread.clear();
  changed("person", "place", "views", "unread");
}

function take(news) {
  for (const name of ["team", "workspaces", "groups", "manifest", "people", "channels", "views", "homes", "apps", "builds", "platform", "faults", "runs", "violations", "broken", "connections", "bot"]) {
    if (name in news) {
      state[name] = news[name];
      changed(name);
    }
  }
  if ("manifest" in news) settle();
  for (const post of news.posts ?? []) takePost(post, !("manifest" in news));
  for (const [id, ts] of news.removed ?? []) {
    state.posts.get(id)?.delete(ts);
    changed("posts");
  }
  for (const entry of news.entries ?? []) {
    state.entries.set(entry.id, entry);
    if (state.entries.size > ENTRIES_KEPT) state.entries.delete(state.entries.keys().next().value);
    changed("entries");
  }
}

/** Be somebody, somewhere, who is in this workspace. */
function settle() {
  const there = state.people.filter((one) => !one.deleted);
  const named = location.hash.slice(1).split("/")[0];
  if (!there.some((one) => one.id === state.person)) state.person = (there.find((one) => one.name === named) ?? there[0])?.id;
  if (!channel()) state.channel = state.channels.find((one) => !one.im_with)?.id;
}

function takePost(post, isNew) {
  if (!state.posts.has(post.channel)) state.posts.set(post.channel, new Map());
  const posts = state.posts.get(post.channel);
  const known = posts.has(post.ts);
  posts.set(post.ts, post);
  if (posts.size > KEPT_A_CHANNEL) posts.delete(posts.keys().next().value);
  const elsewhere = post.channel !== state.channel || state.home;
  if (isNew && !known && elsewhere && visible(post) && post.user !== state.person) {
    state.unread.set(post.channel, (state.unread.get(post.channel) ?? 0) + 1);
    changed("unread");
  }
  changed("posts");
}

/** Listen to the server for as long as the page lives. */
export async function connect() {
  state.emoji = await (await fetch("/emoji.json")).json();
  const stream = new EventSource(`/live${state.team ? `?team=${encodeURIComponent(state.team)}` : ""}`);
  stream.onmessage = (message) => take(JSON.parse(message.data));
  stream.onopen = () => document.body.removeAttribute("data-lost");
  stream.onerror = () => document.body.setAttribute("data-lost", "");
}

/** Ask the server to do something; an answer's error is thrown in words. */
export async function order(name, given = {}) {
  const response = await fetch(`/control/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ team: state.team, person: state.person, channel: state.channel, ...given }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? `the sandbox answered ${response.status}`);
  return answer;
}
