// The state of the page, filled by the event stream of the server. Modules register for the parts they show.

const MAX_POSTS_PER_CHANNEL = 300;
const MAX_ENTRIES = 200;

export const state = {
  team: new URLSearchParams(location.search).get("team") ?? undefined, // from the address of the page
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
  buildio_apps: [],
  faults: [],
  runs: [],
  entries: new Map(),
  violations: [],
  violation_count: 0,
  connections: 0,
  person: "U0ANNA",
  channel: "C0BUILDS",
  thread: null,
  home: false,
  unread: new Map(),
  emoji: {},
};

const listeners = new Map();

/** Call `show` when one of these parts changes. */
export function on(parts, show) {
  for (const part of parts) listeners.set(part, [...(listeners.get(part) ?? []), show]);
}

const waiting = new Set();

/** Mark parts as changed; each listener is called once, in a microtask. */
export function changed(...parts) {
  if (waiting.size === 0) queueMicrotask(notifyListeners);
  for (const part of parts) for (const show of listeners.get(part) ?? []) waiting.add(show);
  waiting.add(() => {}); // so that the set is never empty
}

function notifyListeners() {
  const shows = [...waiting];
  waiting.clear();
  for (const show of shows) show();
}

export const person = (id) => state.people.find((one) => one.id === id);
export const channel = (id = state.channel) => state.channels.find((one) => one.id === id);
export const visible = (post) => !post.only_for || post.only_for === state.person;

/** Open a channel, a thread or, with `home`, the Home. */
export function go(id, { home = false, thread = null } = {}) {
  Object.assign(state, { channel: id, home, thread });
  state.unread.set(id, 0);
  changed("place", "unread");
}

/** Act as another user. */
export function switchUser(id) {
  state.person = id;
  const current = channel();
  if (current?.im_with && current.im_with !== id) state.channel = `D${id.slice(1)}`;
  state.unread.clear();
  changed("person", "place", "views", "unread");
}

function applyChanges(changes) {
  for (const name of ["team", "workspaces", "groups", "manifest", "people", "channels", "views", "homes", "apps", "builds", "buildio_apps", "faults", "runs", "violations", "violation_count", "connections", "bot"]) {
    if (name in changes) {
      state[name] = changes[name];
      changed(name);
    }
  }
  if ("manifest" in changes) selectUserAndChannel();
  for (const post of changes.posts ?? []) addPost(post, !("manifest" in changes));
  for (const [id, ts] of changes.removed ?? []) {
    state.posts.get(id)?.delete(ts);
    changed("posts");
  }
  for (const entry of changes.entries ?? []) {
    state.entries.set(entry.id, entry);
    if (state.entries.size > MAX_ENTRIES) state.entries.delete(state.entries.keys().next().value);
    changed("entries");
  }
}

/** Select a user and a channel that exist in this workspace. */
function selectUserAndChannel() {
  const present = state.people.filter((one) => !one.deleted);
  const named = location.hash.slice(1).split("/")[0];
  if (!present.some((one) => one.id === state.person)) state.person = (present.find((one) => one.name === named) ?? present[0])?.id;
  if (!channel()) state.channel = state.channels.find((one) => !one.im_with)?.id;
}

function addPost(post, isNew) {
  if (!state.posts.has(post.channel)) state.posts.set(post.channel, new Map());
  const posts = state.posts.get(post.channel);
  const known = posts.has(post.ts);
  posts.set(post.ts, post);
  if (posts.size > MAX_POSTS_PER_CHANNEL) posts.delete(posts.keys().next().value);
  const elsewhere = post.channel !== state.channel || state.home;
  if (isNew && !known && elsewhere && visible(post) && post.user !== state.person) {
    state.unread.set(post.channel, (state.unread.get(post.channel) ?? 0) + 1);
    changed("unread");
  }
  changed("posts");
}

/** Open the event stream of the server; the browser reconnects by itself. */
export async function connect() {
  state.emoji = await (await fetch("/emoji.json")).json();
  const stream = new EventSource(`/live${state.team ? `?team=${encodeURIComponent(state.team)}` : ""}`);
  stream.onmessage = (message) => applyChanges(JSON.parse(message.data));
  stream.onopen = () => document.body.removeAttribute("data-lost");
  stream.onerror = () => document.body.setAttribute("data-lost", "");
}

/** Send a control command; throws an Error with the message of the server. */
export async function sendCommand(name, parameters = {}) {
  const response = await fetch(`/control/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ team: state.team, person: state.person, channel: state.channel, ...parameters }),
  });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error ?? `the sandbox returned ${response.status}`);
  return body;
}
