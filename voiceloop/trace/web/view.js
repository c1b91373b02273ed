// The view: which part of the session is visible, and the canvases on which it is drawn.
const LABELS = 96; // px at the left for the names of the lanes
const SHORTEST = 20; // ms: the shortest visible part when zooming in
const chart = document.getElementById('chart');
const overview = document.getElementById('overview');

const view = {
  from: 0,
  to: DATA.length,
  cursor: null, // { x, y } of the pointer
  measured: null, // [from, to] in ms
  shown: null, // the number of the turn that was selected
};

function look(from, to) {
  const margin = DATA.length * 0.02 + 50;
  const width = Math.min(Math.max(to - from, SHORTEST), DATA.length + 2 * margin);
  const start = Math.min(Math.max(from, -margin), DATA.length + margin - width);
  view.from = start;
  view.to = start + width;
  draw();
}

const plot = () => chart.clientWidth - LABELS;
const xOf = (time) => LABELS + (time - view.from) / (view.to - view.from) * plot();
const timeAt = (x) => view.from + (x - LABELS) / plot() * (view.to - view.from);

function zoom(factor, x) {
  const fixed = timeAt(Math.max(x, LABELS));
  look(fixed - (fixed - view.from) * factor, fixed + (view.to - fixed) * factor);
}

function pan(pixels) {
  const by = pixels / plot() * (view.to - view.from);
  look(view.from + by, view.to + by);
}

function goTo(turn) {
  view.shown = turn.number;
  const from = mark(turn, 'last_voiced') ?? turn.at;
  const until = mark(turn, 'first_played') ?? mark(turn, 'cancelled') ?? turn.end;
  const room = Math.max(until - from, 300) * 0.2;
  look(from - 2 * room, Math.max(until, from) + room);
}

// The canvas's drawing context, cleared and scaled to CSS pixels.
function cleared(canvas, height) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.style.height !== `${height}px`) canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const pen = canvas.getContext('2d');
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

let palette = {};
function readPalette() {
  const style = getComputedStyle(document.documentElement);
  palette = new Proxy({}, { get: (kept, name) => kept[name] ??= style.getPropertyValue(`--${name}`).trim() });
}
