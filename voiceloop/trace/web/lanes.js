// The lanes: each draws the part that is in view, and adds boxes with tooltips to `hits`.
const FONT = '12px system-ui, sans-serif';
const turnRows = inRows(DATA.turns, (t) => t.at, (t) => t.end);
const requestRows = inRows(DATA.requests, (r) => r.at, ends);
let hits = [];

const LANES = [
  { name: '', height: 24, draw: drawAxis },
  { name: 'turns', height: 12 + turnRows * 40, draw: drawTurns },
  { name: 'microphone', height: 74, draw: drawMicrophone },
  { name: 'voice', height: 40, draw: drawVoice },
  { name: 'requests', height: 10 + requestRows * 21, draw: drawRequests },
  { name: 'playback', height: 74, draw: drawPlayback },
  { name: 'events', height: 30, draw: drawEvents },
];
const LEAST = LANES.reduce((sum, lane) => sum + lane.height, 0) + 6;
const CROWD = 24; // with more turns than this in view, guide lines and marks are left out: they would cover the rest
const FLEXIBLE = new Set([drawMicrophone, drawPlayback]);
let height = LEAST;

// Spare height of the window goes to the waveforms.
function heightOf(lane) {
  const around = overview.offsetHeight + document.getElementById('notes').offsetHeight + 8;
  const spare = chart.parentElement.clientHeight - around - LEAST;
  return lane.height + (FLEXIBLE.has(lane.draw) ? Math.min(Math.max(spare / FLEXIBLE.size, 0), 90) : 0);
}

function drawChart() {
  const heights = LANES.map(heightOf);
  height = heights.reduce((sum, one) => sum + one, 6);
  const pen = cleared(chart, height);
  hits = [];
  pen.font = FONT;
  pen.textBaseline = 'middle';
  drawGuides(pen, heights[0] + heights[1]);
  let top = 0;
  LANES.forEach((lane, n) => {
    pen.save();
    pen.beginPath();
    pen.rect(LABELS, top, plot(), heights[n]);
    pen.clip();
    lane.draw(pen, top, heights[n]);
    pen.restore();
    pen.fillStyle = palette.dim;
    pen.fillText(lane.name, 12, top + Math.min(heights[n] / 2, 26));
    pen.fillStyle = palette.line;
    pen.fillRect(0, top + heights[n] - 1, chart.clientWidth, 1);
    top += heights[n];
  });
  drawCursor(pen);
}

const inView = (turn) => turn.end >= view.from && turn.at <= view.to;

// A box in the plot; at least 1 px wide, so that short things are visible too. Returns its visible sides, or null.
function box(pen, from, to, y, height, colour, tip) {
  const left = xOf(from), width = Math.max(xOf(to) - left, 1);
  if (left > chart.clientWidth || left + width < LABELS) return null;
  pen.fillStyle = colour;
  pen.fillRect(left, y, width, height);
  if (tip) hits.push({ left: left - 2, right: left + width + 2, top: y, bottom: y + height, tip });
  return { left: Math.max(left, LABELS), right: left + width };
}

// Write as much of `text` as fits between the sides; nothing if there is less than `leastRoom` (px).
function write(pen, text, sides, y, colour, leastRoom = 22) {
  if (!sides) return;
  const room = sides.right - sides.left - 8;
  if (room < leastRoom) return;
  let cut = text;
  if (pen.measureText(text).width > room) {
    let kept = Math.floor(text.length * room / pen.measureText(text).width);
    while (kept > 1 && pen.measureText(`${text.slice(0, kept)}…`).width > room) kept--;
    if (kept < 2) return;
    cut = `${text.slice(0, kept)}…`;
  }
  pen.fillStyle = colour;
  pen.fillText(cut, sides.left + 4, y);
}

function tickStep() {
  const wanted = (view.to - view.from) / (plot() / 90);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= wanted);
}

function drawAxis(pen, top, height) {
  const step = tickStep();
  pen.fillStyle = palette.dim;
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    pen.fillRect(xOf(time), top + height - 6, 1, 6);
    pen.fillText(step >= 1000 ? seconds(time, 0) : step >= 10 ? seconds(time, 2) : seconds(time, 3), xOf(time) + 4, top + 10);
  }
}

// Dashed lines through the lanes below the turns, at each turn's last voiced and first audible played sample.
function drawGuides(pen, top) {
  if (DATA.turns.filter(inView).length > CROWD) return;
  pen.save();
  pen.setLineDash([3, 4]);
  for (const turn of DATA.turns) {
    for (const [name, colour] of [['last_voiced', palette.end], ['first_played', palette.device]]) {
      const at = mark(turn, name);
      if (at === undefined || at < view.from || at > view.to) continue;
      pen.strokeStyle = colour;
      pen.beginPath();
      pen.moveTo(Math.round(xOf(at)) + 0.5, top);
      pen.lineTo(Math.round(xOf(at)) + 0.5, height);
      pen.stroke();
    }
  }
  pen.restore();
}

function drawTurns(pen, top) {
  const visible = DATA.turns.filter(inView);
  for (const turn of visible) {
    const y = top + 6 + turn.row * 40;
    const tip = [`Turn ${turn.number}: ${turn.became}`, `“${turn.text}”`, `answered in ${answeredIn(turn)}`];
    const from = turn.stages.length ? turn.stages[0][1] : turn.end;
    const until = turn.stages.length ? turn.stages.at(-1)[2] : turn.end;
    write(pen, `turn ${turn.number}  ${turn.text ? `“${turn.text}”  ` : ''}${turn.became}`,
      { left: Math.max(xOf(turn.at), LABELS), right: Math.max(xOf(turn.end), xOf(turn.at) + (visible.length > CROWD ? 0 : 50)) }, y + 6, palette.text);
    write(pen, 'speaks', box(pen, turn.at, Math.max(from, turn.at), y + 14, 18, palette.speech, tip), y + 23, palette.dim);
    if (mark(turn, 'first_played') !== undefined) {
      write(pen, 'reply', box(pen, until, turn.end, y + 14, 18, palette.reply, tip), y + 23, palette.dim);
    }
    for (const [name, start, end] of turn.stages) {
      if (end - start < 0.05) continue;
      const stageTip = [`${NAMES[name]}: ${ms(end - start)}`, `turn ${turn.number}, of ${ms(lengthOf(turn))}`];
      const drawn = box(pen, start, end, y + 14, 18, palette[name], stageTip);
      const wide = drawn && drawn.right - drawn.left > 120;
      write(pen, wide ? `${NAMES[name]} ${ms(end - start)}` : ms(end - start), drawn, y + 23, palette.panel, 34);
    }
    if (visible.length > CROWD) continue;
    for (const [name, at, found] of turn.marks) {
      box(pen, at, at, y + 32, 5, palette.text, [name, `turn ${turn.number}, at ${seconds(at, 3)}${found ? ', inferred from other records' : ''}`]);
    }
  }
}

function waveform(pen, sound, middle, half, loud, soft) {
  const per = (view.to - view.from) / plot();
  let at = Math.max(firstAtLeast(sound.end, view.from), 0);
  for (let x = LABELS; x < chart.clientWidth && at < sound.start.length; x++) {
    const until = timeAt(x + 1);
    let peak = -1, rms = 0;
    let n = at;
    while (n < sound.start.length && sound.start[n] < until) {
      if (sound.end[n] > until - per) {
        peak = Math.max(peak, sound.peak[n]);
        rms = Math.max(rms, sound.rms[n]);
      }
      if (sound.end[n] > until) break;
      n++;
    }
    at = n;
    if (peak < 0) continue;
    // The square root keeps quiet speech visible beside loud speech.
    const outer = Math.max(Math.sqrt(peak) * half, 0.5), inner = Math.sqrt(rms) * half;
    pen.fillStyle = soft;
    pen.fillRect(x, middle - outer, 1, 2 * outer);
    pen.fillStyle = loud;
    pen.fillRect(x, middle - inner, 1, 2 * inner);
  }
}

function drawMicrophone(pen, top, height) {
  for (const [from, to] of DATA.muted) {
    write(pen, 'muted', box(pen, from, to, top, height - 1, palette.muted, ['microphone ignored', 'half-duplex mute during a reply, or not listening']), top + 9, palette.dim);
  }
  waveform(pen, MIC, top + height / 2, height / 2 - 4, palette.mic, palette['mic-soft']);
}

function drawVoice(pen, top) {
  for (const [from, to, label] of DATA.utterances) {
    const drawn = box(pen, from, to, top + 5, 16, palette.speech, [`utterance, ${label}`, `${seconds(to - from)} from onset to last voice`]);
    write(pen, label === 'ended' ? 'utterance' : `utterance, ${label}`, drawn, top + 13, palette.dim);
  }
  for (const [from, to] of DATA.voice) {
    box(pen, from, to, top + 25, 8, palette.voice, ['voice activity', `${seconds(from, 3)} to ${seconds(to, 3)}, ${ms(to - from)}`]);
  }
}

function requestTip(r) {
  const end = ends(r);
  return [
    `${r.method} ${r.url}`,
    `${r.model}${r.turn === null ? '' : `, turn ${r.turn}${r.guessed ? ' (by its time)' : ''}`}, attempt ${r.attempt}`,
    `${r.status ?? 'no answer'}${r.error ? ` ${r.error}` : ''}, ${r.outcome}${r.connected ? ', over a new connection' : ''}`,
    `first byte after ${r.first === null ? '–' : ms(r.first - r.at)}, all after ${ms(end - r.at)}`,
    `${bytes(r.sent)} sent, ${bytes(r.received)} received`,
  ];
}

function drawRequests(pen, top) {
  for (const r of DATA.requests) {
    if (ends(r) < view.from || r.at > view.to) continue;
    const y = top + 5 + r.row * 21;
    const colour = palette[STAGES.includes(r.kind) ? r.kind : 'end'];
    const first = Math.min(r.first ?? r.answered ?? ends(r), ends(r));
    pen.globalAlpha = 0.45; // waiting is lighter than receiving
    const drawn = box(pen, r.at, ends(r), y, 17, colour, requestTip(r));
    pen.globalAlpha = 1;
    box(pen, first, ends(r), y, 17, colour);
    const name = NAMES[r.kind] || r.kind === 'warm' ? r.kind : r.url.split('/').at(-1);
    const label = `${name} ${r.outcome === 'done' ? ms(ends(r) - r.at) : r.outcome}`;
    write(pen, label, drawn, y + 9, palette.text);
    if (r.outcome !== 'done' && drawn) { // cancelled, failed or unfinished
      pen.fillStyle = palette.bad;
      pen.fillRect(drawn.left, y + 15, drawn.right - drawn.left, 2);
      pen.fillRect(drawn.right - 3, y, 3, 17);
    }
  }
}

function drawPlayback(pen, top, height) {
  waveform(pen, PLAY, top + height / 2, height / 2 - 6, palette.play, palette['play-soft']);
  for (const [from, to] of DATA.states.held) {
    write(pen, 'held', box(pen, from, to, top + height - 12, 11, palette.gate, ['held', `${ms(to - from)}: the reply was paused, or kept from starting`]), top + height - 6, palette.panel);
  }
  for (const [from, to] of DATA.states.ducked) {
    write(pen, 'ducked', box(pen, from, to, top + 1, 11, palette.speech, ['ducked', ms(to - from)]), top + 7, palette.text);
  }
  for (const [at, , label] of DATA.states.underrun) box(pen, at, at + 1, top, height, palette.bad, [label, seconds(at, 3)]);
}

function drawEvents(pen, top) {
  let free = LABELS;
  for (const [at, name, fields] of DATA.events) {
    if (at < view.from || at > view.to) continue;
    const drawn = box(pen, at, at, top + 3, 8, palette.dim, [name, seconds(at, 3), fields]);
    if (!drawn || drawn.left < free) continue;
    const width = pen.measureText(name).width;
    pen.fillStyle = palette.dim;
    pen.fillText(name, drawn.left, top + 20);
    free = drawn.left + width + 10;
  }
}

function drawCursor(pen) {
  if (view.measured) {
    const [from, to] = [...view.measured].sort((a, b) => a - b);
    pen.globalAlpha = 0.15;
    box(pen, from, to, 24, height, palette.strong);
    pen.globalAlpha = 1;
    pen.fillStyle = palette.strong;
    pen.fillText(ms(to - from), xOf(from) + 5, 34);
  }
  if (view.cursor && view.cursor.x > LABELS) {
    pen.fillStyle = palette.cursor;
    pen.fillRect(view.cursor.x, 0, 1, height);
  }
}

// The overview of the whole session. It is drawn once for each width and palette; only the frame of the view moves.
const sketch = document.createElement('canvas');
let sketched = null;

function sketchAll(width, tall) {
  if (sketched?.width === width && sketched.palette === palette) return;
  sketched = { width, palette };
  const x = (time) => time / DATA.length * width;
  const ratio = window.devicePixelRatio || 1;
  sketch.width = Math.max(width * ratio, 1);
  sketch.height = tall * ratio;
  const pen = sketch.getContext('2d');
  pen.scale(ratio, ratio);
  const half = (sound, colour, direction) => {
    const tops = new Float32Array(width + 1);
    for (let n = 0; n < sound.start.length; n++) {
      const column = Math.min(Math.max(Math.floor(x(sound.start[n])), 0), width);
      tops[column] = Math.max(tops[column], sound.peak[n]);
    }
    pen.fillStyle = colour;
    tops.forEach((peak, column) => pen.fillRect(column, tall / 2, 1, direction * Math.sqrt(peak) * (tall / 2 - 3)));
  };
  half(MIC, palette.mic, -1);
  half(PLAY, palette.play, 1);
  for (const turn of DATA.turns) {
    for (const [name, start, end] of turn.stages) {
      pen.fillStyle = palette[name];
      pen.fillRect(x(start), tall / 2 - 2, Math.max(x(end) - x(start), 0.5), 4);
    }
  }
}

function drawOverview() {
  const tall = 56, pen = cleared(overview, tall), width = overview.clientWidth;
  sketchAll(width, tall);
  pen.drawImage(sketch, 0, 0, width, tall);
  const from = view.from / DATA.length * width, to = view.to / DATA.length * width;
  pen.fillStyle = palette.muted;
  pen.fillRect(0, 0, from, tall);
  pen.fillRect(to, 0, width - to, tall);
  pen.strokeStyle = palette.strong;
  pen.lineWidth = 2;
  pen.strokeRect(Math.max(from, 1), 1, Math.min(to, width - 1) - Math.max(from, 1), tall - 2);
}
