// The data of the page, and how numbers are written. Text from the trace is only ever set as text, never as markup.
const DATA = JSON.parse(document.getElementById('data').textContent);
const STAGES = DATA.stages.map(([name]) => name);
const NAMES = {
  end: 'end of turn', transcribe: 'transcription', answer: 'first words', clause: 'first clause', speak: 'speech',
  gate: 'held back', device: 'loudspeaker',
};

function levels(runs) {
  const found = { start: [], end: [], peak: [], rms: [] };
  for (const run of runs) {
    const peak = atob(run.peak), rms = atob(run.rms);
    for (let n = 0; n < peak.length; n++) {
      const begin = n === 0 ? 0 : run.each ? run.each[n - 1] : n * run.step;
      found.start.push(run.at + begin);
      found.end.push(run.at + (run.each ? run.each[n] : (n + 1) * run.step));
      found.peak.push((peak.charCodeAt(n) / 255) ** 2);
      found.rms.push((rms.charCodeAt(n) / 255) ** 2);
    }
  }
  return found;
}

const MIC = levels(DATA.mic);
const PLAY = levels(DATA.play);

// The index of the first element that is not below `value`; `list` is sorted.
function firstAtLeast(list, value) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

// Put things into rows so that overlapping ones are in different rows. Sets `row` on each; returns the number of rows.
function inRows(things, start, end) {
  const free = [];
  for (const thing of [...things].sort((a, b) => start(a) - start(b))) {
    let row = free.findIndex((until) => until <= start(thing));
    if (row < 0) row = free.length;
    free[row] = end(thing);
    thing.row = row;
  }
  return Math.max(free.length, 1);
}

const ends = (request) => request.end ?? DATA.length;
const mark = (turn, name) => turn.marks.find(([known]) => known === name)?.[1];
const lengthOf = (turn) => turn.stages.length ? turn.stages.at(-1)[2] - turn.stages[0][1] : 0;
const answeredIn = (turn) => turn.answered === null ? 'no reply' : ms(turn.answered);

const ms = (value) => value === undefined || value === null ? '–' : `${Math.round(value).toLocaleString('en')} ms`;
const seconds = (value, digits = 2) => `${(value / 1000).toFixed(digits)} s`;
const bytes = (count) => count < 10000 ? `${count} B` : `${Math.round(count / 1024)} KiB`;

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
