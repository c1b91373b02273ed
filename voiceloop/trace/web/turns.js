// The cards beside the chart: for each turn how long the answer took, and how long each stage took.
const aside = document.getElementById('turns');
const cards = new Map();
const staged = DATA.turns.filter((turn) => turn.stages.length);
const answered = staged.filter((turn) => turn.answered !== null);
const longest = Math.max(1, ...staged.map(lengthOf));

function stageBar(stages, scale) {
  const bar = element('div', 'bar');
  for (const [name, length] of stages) {
    const piece = element('i');
    piece.style.width = `${length / scale * 100}%`;
    piece.style.background = `var(--${name})`;
    piece.title = `${NAMES[name]} ${ms(length)}`;
    bar.append(piece);
  }
  return bar;
}

function stageTable(stages) {
  const table = element('div', 'stages');
  for (const [name, length] of stages) {
    const label = element('span'), dot = element('i', 'dot');
    dot.style.background = `var(--${name})`;
    label.append(dot, NAMES[name]);
    table.append(label, element('b', '', ms(length)));
  }
  return table;
}

function head(name, became, total, bad) {
  const top = element('div', 'top'), number = element('span', 'total');
  if (total === null) number.append(element('small', '', 'no reply'));
  else number.append(Math.round(total).toLocaleString('en'), element('small', '', ' ms'));
  top.append(element('span', 'name', name), element('span', bad ? 'became bad' : 'became', became), number);
  return top;
}

function summary() {
  const card = element('div', 'turn');
  const medians = STAGES.map((name) => {
    const times = answered.flatMap((turn) => turn.stages.filter(([known]) => known === name).map(([, a, b]) => b - a));
    return times.length ? [name, median(times)] : null;
  }).filter(Boolean);
  const count = `${answered.length} turn${answered.length === 1 ? '' : 's'} with a reply`;
  card.append(head('Median', `of ${count}`, median(answered.map((turn) => turn.answered))), stageBar(medians, longest), stageTable(medians));
  card.append(element('div', 'marks', `from the last voiced sample to the first audible one played; the loudspeaker reports a latency of ${ms(DATA.latency)}, which is not included`));
  return card;
}

function turnCard(turn) {
  const card = element('button', 'turn');
  const stages = turn.stages.map(([name, start, end]) => [name, end - start]);
  const bad = turn.outcome === 'failed' || turn.outcome === 'unfinished';
  card.append(head(`Turn ${turn.number}`, turn.became, turn.answered, bad));
  if (turn.text) card.append(element('p', 'said', `“${turn.text}”`));
  if (turn.reply) card.append(element('p', 'said reply', turn.reply));
  if (turn.echo) card.append(element('div', 'marks', `its echo: ${turn.echo}`));
  if (stages.length) card.append(stageBar(stages, longest), stageTable(stages));
  const zero = mark(turn, 'last_voiced');
  const marks = element('div', 'marks');
  for (const [name, at] of turn.marks) {
    marks.append(element('span', '', `${name} ${zero === undefined ? seconds(at, 3) : Math.round(at - zero)}`));
  }
  if (turn.marks.length) card.append(marks);
  card.addEventListener('click', () => goTo(turn));
  cards.set(turn.number, card);
  return card;
}

function fillTurns() {
  if (answered.length) aside.append(summary());
  for (const turn of DATA.turns) aside.append(turnCard(turn));
  if (!DATA.turns.length) aside.append(element('div', 'turn', 'No turn: no speech was recognised.'));
}

function showTurn() {
  for (const [number, card] of cards) card.classList.toggle('shown', number === view.shown);
}
