"use strict";
// Shows the state that each event brings. What was said is text and nothing else: only textContent is ever set.
const query = new URLSearchParams(location.search);
const overlay = query.has("overlay");
const whole = (name, least, most, usual) => {
  const value = Number.parseInt(query.get(name) ?? "", 10);
  return Number.isNaN(value) ? usual : Math.min(most, Math.max(least, value));
};
const lines = whole("lines", 1, 30, overlay ? 2 : 0); // 0: as many as there is room for
const holds = whole("seconds", 1, 600, overlay ? 8 : 0) * 1000; // 0: captions stay
document.documentElement.classList.toggle("overlay", overlay);
if (lines) document.documentElement.style.setProperty("--lines", lines);
if (query.has("size")) document.documentElement.style.setProperty("--size", whole("size", 10, 400, 48) + "px");

const captions = document.getElementById("captions");
const state = document.getElementById("state");
const arrived = new Map(); // when each final caption came
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
  const finals = latest.finals.filter(({ id }) => !holds || now - (arrived.get(id) ?? now) < holds);
  captions.replaceChildren(
    ...finals.map(({ source, text }) => line("final", source, part("span", "text", text))),
    ...latest.lives.map(({ source, sure, unsure }) =>
      line("live", source, part("span", "sure", sure && `${sure} `), part("span", "unsure", unsure))),
  );
}

const events = new EventSource("/events");
events.onopen = () => { state.textContent = ""; };
events.onerror = () => { state.textContent = "The captions have ended, or are not reached."; };
events.onmessage = ({ data }) => {
  latest = JSON.parse(data);
  for (const { id } of latest.finals) if (!arrived.has(id)) arrived.set(id, Date.now());
  for (const id of arrived.keys()) if (!latest.finals.some((final) => final.id === id)) arrived.delete(id);
  draw();
};
if (holds) setInterval(draw, 500);
