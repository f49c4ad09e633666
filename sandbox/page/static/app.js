// The entry point of the page; each module renders its own part of the store.

import "./sidebar.js";
import "./messages.js";
import "./composer.js";
import "./modals.js";
import "./control_panel.js";
import { connect, go, sendCommand, state } from "./store.js";

// The address may contain a user and a channel: …/#anna/builds
function readAddress() {
  const [person, channel] = location.hash.slice(1).split("/");
  if (person) state.person = `U0${person.toUpperCase()}`;
  if (channel) go(channel === "dm" ? `D0${person.toUpperCase()}` : state.channels.find((one) => one.name === channel)?.id ?? state.channel);
}

readAddress();
await connect();
window.sandbox = { state, sendCommand };
