// The page: the texts around the chart, and what the pointer and the keys do.
const tip = document.getElementById('tip');
const LONG = 120000; // ms: of a longer session only the beginning is shown at first
let due = false;

function draw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    drawChart();
    drawOverview();
    showTurn();
  });
}

function fillAbout() {
  const parts = [`voiceloop ${DATA.version}`, DATA.began, seconds(DATA.length, 1), `${DATA.turns.length} turns`];
  if (DATA.underruns) parts.push(`${DATA.underruns} underruns`);
  document.getElementById('about').textContent = parts.filter(Boolean).join(' · ');
  const legend = document.getElementById('legend');
  for (const [name, meaning] of DATA.stages) {
    const item = element('li'), dot = element('i', 'dot');
    dot.style.background = `var(--${name})`;
    item.title = meaning;
    item.append(dot, NAMES[name]);
    legend.append(item);
  }
  const notes = document.getElementById('notes');
  for (const [name, description] of DATA.about) notes.append(element('div', '', `${name}: ${description}`));
  if (DATA.config.length) {
    const settings = element('details');
    settings.append(element('summary', '', 'settings'));
    for (const [table, values] of DATA.config) settings.append(element('div', '', `[${table}] ${values}`));
    settings.addEventListener('toggle', draw);
    notes.append(settings);
  }
  for (const flaw of DATA.flaws) notes.append(element('div', '', `note: ${flaw}`));
}

// The turn whose last voiced sample was the latest before `time`; null if there is none.
function turnBefore(time) {
  const before = staged.filter((turn) => turn.stages[0][1] <= time);
  return before.length ? before.reduce((a, b) => (a.stages[0][1] > b.stages[0][1] ? a : b)) : null;
}

function showTip(event) {
  const { x, y } = view.cursor;
  const hit = hits.findLast((h) => x >= h.left && x <= h.right && y >= h.top && y <= h.bottom);
  const time = timeAt(x), turn = turnBefore(time);
  const lines = hit ? [...hit.tip] : [];
  let where = seconds(time, 3);
  if (turn && time - turn.stages[0][1] < 20000) where += `, ${ms(time - turn.stages[0][1])} after turn ${turn.number}'s last voiced sample`;
  tip.replaceChildren(...(lines.length ? lines : [where]).map((line) => element('div', '', line)));
  if (lines.length) tip.append(element('div', 'more', where));
  tip.hidden = x < LABELS;
  const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 16 + tip.offsetHeight < window.innerHeight;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${below ? event.clientY + 16 : event.clientY - tip.offsetHeight - 10}px`;
}

function listen() {
  let dragged = null;
  chart.addEventListener('wheel', (event) => {
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) pan(sideways);
    else zoom(1.0015 ** (event.deltaMode ? event.deltaY * 30 : event.deltaY), event.offsetX);
  }, { passive: false });
  chart.addEventListener('pointerdown', (event) => {
    dragged = { x: event.offsetX, measures: event.shiftKey };
    view.measured = event.shiftKey ? [timeAt(event.offsetX), timeAt(event.offsetX)] : null;
    chart.setPointerCapture(event.pointerId);
    draw();
  });
  chart.addEventListener('pointermove', (event) => {
    view.cursor = { x: event.offsetX, y: event.offsetY };
    if (dragged?.measures) view.measured[1] = timeAt(event.offsetX);
    else if (dragged) {
      pan(dragged.x - event.offsetX);
      dragged.x = event.offsetX;
    }
    showTip(event);
    draw();
  });
  chart.addEventListener('pointerup', () => { dragged = null; });
  chart.addEventListener('pointercancel', () => { dragged = null; });
  chart.addEventListener('pointerleave', () => { view.cursor = null; tip.hidden = true; draw(); });
  chart.addEventListener('dblclick', (event) => zoom(0.25, event.offsetX));
  const centre = (event) => {
    if (event.type === 'pointermove' && !event.buttons) return;
    const middle = event.offsetX / overview.clientWidth * DATA.length, half = (view.to - view.from) / 2;
    look(middle - half, middle + half);
  };
  overview.addEventListener('pointerdown', (event) => { overview.setPointerCapture(event.pointerId); centre(event); });
  overview.addEventListener('pointermove', centre);
  document.addEventListener('keydown', press);
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const middle = LABELS + plot() / 2;
  const shown = DATA.turns.findIndex((turn) => turn.number === view.shown);
  const to = (index) => { if (DATA.turns[index]) goTo(DATA.turns[index]); };
  const keys = {
    ArrowLeft: () => pan(-plot() / 6), ArrowRight: () => pan(plot() / 6), '+': () => zoom(0.7, middle), '=': () => zoom(0.7, middle),
    '-': () => zoom(1.4, middle), 0: () => { view.shown = null; look(0, DATA.length); }, n: () => to(shown + 1),
    p: () => to(Math.max(shown, 1) - 1), Escape: () => { view.measured = null; draw(); },
  };
  if (!keys[event.key]) return;
  keys[event.key]();
  event.preventDefault();
}

readPalette();
fillAbout();
fillTurns();
listen();
look(0, DATA.length > LONG ? LONG / 2 : DATA.length);
new ResizeObserver(draw).observe(document.getElementById('timeline'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { readPalette(); draw(); });
// A link can name a turn: page.html#turn=3
const linked = DATA.turns.find((turn) => location.hash === `#turn=${turn.number}`);
if (linked) goTo(linked);
document.documentElement.dataset.drawn = String(DATA.turns.length);
