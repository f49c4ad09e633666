// The page's beginning: each module shows its own part of the store.

import "./sidebar.js";
import "./messages.js";
import "./composer.js";
import "./modals.js";
import "./control_panel.js";
import { connect, go, order, state } from "./store.js";

// An address names a person and a channel: …/#anna/builds
function read() {
  const [person, channel] = location.hash.slice(1).split("/");
  if (person) state.person = `U0${person.toUpperCase()}`;
  if (channel) go(channel === "dm" ? `D0${person.toUpperCase()}` : state.channels.find((one) => one.name === channel)?.id ?? state.channel);
}

read();
await connect();
window.sandbox = { state, order };
