"use strict";
// Shows the state that each event carries. Speech is never parsed as HTML: it is set by textContent only.
const query = new URLSearchParams(location.search);
const overlay = query.has("overlay");
const integerOption = (name, least, most, fallback) => {
  const value = Number.parseInt(query.get(name) ?? "", 10);
  return Number.isNaN(value) ? fallback : Math.min(most, Math.max(least, value));
};
const maxLines = integerOption("lines", 1, 30, overlay ? 2 : 0); // 0: as many as fit
const keepMs = integerOption("seconds", 1, 600, overlay ? 8 : 0) * 1000; // 0: captions stay
document.documentElement.classList.toggle("overlay", overlay);
if (maxLines) document.documentElement.style.setProperty("--lines", maxLines);
if (query.has("size")) document.documentElement.style.setProperty("--size", integerOption("size", 10, 400, 48) + "px");

const captions = document.getElementById("captions");
const state = document.getElementById("state");
const arrived = new Map(); // when each final caption arrived, by its id
let latest = { finals: [], lives: [] };

function part(tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

function line(name, source, ...parts) {
  const element = part("p", name, "");
  if (source) element.append(part("span", source === "mic" ? "source mic" : "source", source));
  element.append(...parts);
  return element;
}

function draw() {
  const now = Date.now();
  const finals = latest.finals.filter(({ id }) => !keepMs || now - (arrived.get(id) ?? now) < keepMs);
  captions.replaceChildren(
    ...finals.map(({ source, text }) => line("final", source, part("span", "text", text))),
    ...latest.lives.map(({ source, sure, unsure }) =>
      line("live", source, part("span", "sure", sure && `${sure} `), part("span", "unsure", unsure))),
  );
}

const events = new EventSource("/events");
events.onopen = () => { state.textContent = ""; };
events.onerror = () => { state.textContent = "Captions have ended, or the connection is lost."; };
events.onmessage = ({ data }) => {
  latest = JSON.parse(data);
  for (const { id } of latest.finals) if (!arrived.has(id)) arrived.set(id, Date.now());
  for (const id of arrived.keys()) if (!latest.finals.some((final) => final.id === id)) arrived.delete(id);
  draw();
};
if (keepMs) setInterval(draw, 500);
