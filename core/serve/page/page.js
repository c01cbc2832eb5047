'use strict';
// The page of `variform runs serve`. It asks what has changed, twice a second, and shows it. Text from runs is only ever
// set as text. Nothing is sent but questions.

const POLL = 400, POLL_HIDDEN = 5000;      // milliseconds between questions
const MOST_SELECTED = 24;
const MOST_LINES = 400000;                 // of one run's metrics
const UNITS = {loss: 'nats per example', kl: 'nats per example', nll: 'nats per example'};
const NOT_VALUES = new Set(['step', 'epoch', 'split']);
const FIRST = ['loss', 'nll', 'kl'], LAST = ['beta', 'beta_eff', 'lr'];
const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
const STATES = {running: '● running', done: '✓ finished', failed: '✕ failed', interrupted: '‖ interrupted', unfinished: '○ unfinished'};

const runs = new Map();                    // by id, as the server tells them
const series = new Map();                  // by id: the lines of metrics.jsonl that have been fetched
const rows = new Map();                    // by id: the row of the table
const slots = [];                          // ids of the selected runs; the place gives colour and dashes
let version = 0, skew = 0, sortBy = 'state', descending = false, wanted = null, hover = null;

const $ = id => document.getElementById(id);

// An element with properties, attributes (behind '@') and children; texts become text nodes.
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties))
    key.startsWith('@') ? element.setAttribute(key.slice(1), value) : element[key] = value;
  element.append(...children);
  return element;
}

// ------------------------------------------------------------------------------------------------- texts of numbers

function number(value) {
  if (typeof value !== 'number') return '–';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e7) return String(value);
  return size !== 0 && (size < 1e-3 || size >= 1e7) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
}

// The label of a tick.
function short(value) {
  const rounded = Number(value.toPrecision(6)), size = Math.abs(rounded);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? rounded.toExponential() : String(rounded);
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.floor(seconds / 3600)} h ${Math.round(seconds % 3600 / 60)} min`;
  return `${Math.round(seconds / 86400)} days`;
}

const now = () => Date.now() / 1000 + skew;
const secondsLeft = run => run.state === 'running' && run.rate > 0 && run.horizon > 0 ? Math.max(0, run.horizon - run.step) / run.rate : NaN;
const loss = run => (run.evaluation ?? run.training)?.loss;
const state = run => run.state === 'done' && run.ending ? '✓ ' + run.ending : STATES[run.state] ?? run.state;

// ------------------------------------------------------------------------------------------------------- the table

const COLUMNS = [
  {key: 'name', title: 'Run', of: run => run.name.toLowerCase()},
  {key: 'state', title: 'State', of: run => Object.keys(STATES).indexOf(run.state)},
  {key: 'step', title: 'Step', css: 'n', of: run => run.step},
  {key: 'training', title: 'Train loss', css: 'n wide', of: run => run.training?.loss ?? NaN},
  {key: 'evaluation', title: 'Eval loss', css: 'n', of: run => run.evaluation?.loss ?? NaN},
  {key: 'changed', title: 'Changed', css: 'n wide', of: run => run.changed},
];

function makeHead() {
  for (const column of COLUMNS) {
    const button = make('button', {type: 'button'}, column.title);
    button.addEventListener('click', () => {
      descending = sortBy === column.key ? !descending : column.css?.startsWith('n') ?? false;
      sortBy = column.key;
      arrange();
    });
    document.querySelector('#runs thead tr').append(make('th', {className: column.css ?? '', scope: 'col'}, button));
  }
}

function makeRow(run) {
  const box = make('input', {type: 'checkbox'});
  box.addEventListener('change', () => select(run.id, box.checked));
  const cells = Object.fromEntries(COLUMNS.map(column => [column.key, make('td', {className: column.css ?? ''})]));
  const name = make('span'), why = make('span', {className: 'why'});
  const label = make('label', {}, box, make('span', {}, name, why));
  cells.name.className = 'name';
  cells.name.append(label);
  cells.state.className = 'state';
  const row = {box, cells, name, why, left: make('span', {className: 'why'}), element: make('tr', {}, ...Object.values(cells))};
  rows.set(run.id, row);
  return row;
}

function fillRow(run) {
  const row = rows.get(run.id) ?? makeRow(run), {box, cells, name, why} = row;
  name.textContent = run.name;
  box.setAttribute('aria-label', 'compare ' + run.name);
  why.textContent = [run.dataset, run.reason, ...run.problems].filter(Boolean).join(' · ');
  const [sign, ...words] = state(run).split(' ');
  cells.state.replaceChildren(make('span', {className: run.state, title: state(run)}, sign, make('span', {className: 'word'}, ' ' + words.join(' '))));
  cells.step.replaceChildren(run.step + (run.horizon && run.horizon !== run.step ? ' / ' + run.horizon : ''));
  if (run.state === 'running' && run.horizon)
    cells.step.append(make('progress', {max: run.horizon, value: Math.min(run.step, run.horizon), '@aria-label': 'progress'}), row.left);
  cells.training.textContent = number(run.training?.loss);
  cells.evaluation.textContent = number(run.evaluation?.loss);
  cells.evaluation.title = run.evaluation ? order(Object.keys(run.evaluation)).map(name => `${name} ${number(run.evaluation[name])}`).join(', ') +
    ` on the split ${run.evaluation.split}, step ${run.evaluation.step}` : 'not evaluated yet';
  fillTimes(run);
}

function fillTimes(run) {
  const {cells, left} = rows.get(run.id), seconds = secondsLeft(run);
  left.textContent = Number.isFinite(seconds) ? duration(seconds) + ' left' : '';
  cells.changed.textContent = run.changed ? duration(now() - run.changed) + ' ago' : '';
}

// Puts rows in order and hides those that the filter leaves out.
function arrange() {
  const column = COLUMNS.find(({key}) => key === sortBy), sign = descending ? -1 : 1;
  const order = [...runs.values()].map(run => [run, column.of(run)]);
  order.sort(([a, x], [b, y]) => Number.isNaN(x) - Number.isNaN(y) || sign * ((x > y) - (x < y)) || b.created - a.created || (a.name > b.name) - (a.name < b.name));
  const {accepts, says} = filterOf($('filter').value);
  const body = document.querySelector('#runs tbody'), focused = document.activeElement;
  let shown = 0;
  order.forEach(([run], place) => {
    const {element} = rows.get(run.id);
    element.hidden = !accepts(run);
    shown += !element.hidden;
    if (body.children[place] !== element) body.insertBefore(element, body.children[place] ?? null);
  });
  if (focused !== document.activeElement) focused.focus({preventScroll: true});  // its row was moved
  [...document.querySelectorAll('#runs thead th')].forEach((head, i) => {
    const is = COLUMNS[i].key === sortBy;
    head.setAttribute('aria-sort', !is ? 'none' : descending ? 'descending' : 'ascending');
    head.firstChild.textContent = COLUMNS[i].title + (is ? descending ? ' ▾' : ' ▴' : '');
  });
  $('filter-says').textContent = says || ($('filter').value.trim() ? `${shown} of ${runs.size} runs` : '');
}

// ------------------------------------------------------------------------------------------------------- the filter

// The values of a run that `key` names: what the table shows, or a key of its config, from its end on.
function valuesOf(run, key) {
  const own = {name: run.name, state: run.state, dataset: run.dataset, data: run.dataset, step: run.step, loss: loss(run), ...run.evaluation};
  if (own[key] !== undefined) return [own[key]];
  return run.config.filter(([name]) => name === key || name.endsWith('.' + key)).map(([, value]) => value);
}

function holds(value, operator, asked) {
  const x = Number(value), y = Number(asked), are = asked !== '' && value !== '' && !Number.isNaN(x) && !Number.isNaN(y);
  if (operator === '<') return are && x < y;
  if (operator === '>') return are && x > y;
  const equal = are ? x === y : String(value).toLowerCase() === asked.toLowerCase();
  return operator === '!=' ? !equal : equal;
}

// Returns which runs a text lets through, and what to say about it.
function filterOf(text) {
  const unknown = [];
  const terms = text.trim().split(/\s+/).filter(Boolean).map(term => {
    const parts = /^([\w.-]+)(!=|=|<|>)(.*)$/.exec(term);
    if (!parts) return run => [run.name, run.dataset, run.state].some(value => value.toLowerCase().includes(term.toLowerCase()));
    const [, key, operator, asked] = parts;
    if (![...runs.values()].some(run => valuesOf(run, key).length)) unknown.push(key);
    return run => valuesOf(run, key).some(value => holds(value, operator, asked));
  });
  return {
    accepts: run => terms.every(term => term(run)),
    says: unknown.length ? `no run has the key ${unknown.join(', ')}; known are name, state, data, step, loss, and the keys of configs` : '',
  };
}

// ---------------------------------------------------------------------------------------------------- the selection

const colour = slot => getComputedStyle(document.documentElement).getPropertyValue('--c' + slot % 8).trim();
const dashes = slot => DASHES[Math.floor(slot / 8) % DASHES.length];
const selected = () => slots.map((id, slot) => ({slot, run: runs.get(id)})).filter(({run}) => run);

function select(id, on) {
  const at = slots.indexOf(id);
  if (on && at < 0) {
    let free = slots.findIndex(other => other === null);
    if (free < 0) free = slots.length;
    if (free < MOST_SELECTED) slots[free] = id;
    else $('filter-says').textContent = `at most ${MOST_SELECTED} runs are compared at once`;
  } else if (!on && at >= 0) {
    slots[at] = null;
    series.delete(id);
  }
  while (slots.length && slots.at(-1) === null) slots.pop();
  keepPlace();
  showSelection();
  fetchSeries();
}

// The address keeps filter and selection over a reload.
function keepPlace() {
  const place = new URLSearchParams(), filter = $('filter').value;
  if (filter) place.set('filter', filter);
  for (const {run} of selected()) place.append('run', run.name);
  history.replaceState(null, '', '#' + place);
}

// What is selected before anybody has chosen: what the address says, else what is trained now, else the newest run.
function selectFirst() {
  const all = [...runs.values()].sort((a, b) => b.changed - a.changed);
  const named = wanted ? all.filter(run => wanted.includes(run.name)) : [];
  const running = all.filter(run => run.state === 'running').slice(0, 4);
  const first = named.length ? named : running.length ? running : all.slice(0, 1);
  wanted = null;
  slots.splice(0, slots.length, ...first.slice(0, MOST_SELECTED).map(run => run.id));
}

function key(slot) {
  const mark = make('span', {className: 'key'});
  mark.style.background = colour(slot);
  return mark;
}

function swatch(slot) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  for (const [name, value] of Object.entries({width: 30, height: 8, 'aria-hidden': true})) svg.setAttribute(name, value);
  const how = {x1: 0, x2: 30, y1: 4, y2: 4, stroke: colour(slot), 'stroke-width': 3, 'stroke-dasharray': dashes(slot).join(' ')};
  for (const [name, value] of Object.entries(how)) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function legendOf(slot, run, different) {
  const away = make('button', {type: 'button', title: 'Leave out', '@aria-label': 'leave out ' + run.name}, '×');
  away.addEventListener('click', () => select(run.id, false));
  const what = different.filter(([name]) => name !== 'name').slice(0, 4)
    .map(([name, values]) => `${name.split('.').slice(-2).join('.')} ${values.get(run.id) ?? '–'}`);
  return make('li', {}, swatch(slot), make('div', {}, run.name, make('span', {className: 'why'}, what.join(', '))), away);
}

// Fills an element unless that was done with the same things: what is in use there, focus and scrolling, stays.
const filled = new WeakMap();
function fill(element, things, children) {
  const text = JSON.stringify([things, matchMedia('(prefers-color-scheme: dark)').matches]);
  if (filled.get(element) !== text) element.replaceChildren(...children());
  filled.set(element, text);
}

function showSelection() {
  const chosen = selected();
  for (const [id, row] of rows) {
    row.box.checked = slots.includes(id);
    row.element.classList.toggle('chosen', row.box.checked);
  }
  $('hint').hidden = chosen.length > 0;
  $('compared').hidden = chosen.length === 0;
  const different = differences(chosen);
  fill($('legend'), [chosen.map(({slot, run}) => [slot, run.id]), different.map(([name, values]) => [name, ...values])],
    () => chosen.map(({slot, run}) => legendOf(slot, run, different)));
  showNumbers(chosen);
  showConfigs(chosen, different);
  showImages(chosen);
  drawSoon();
}

// ------------------------------------------------------------------------------------------------ numbers and configs

const headOf = chosen => make('thead', {}, make('tr', {}, make('th', {}, ''),
  ...chosen.map(({slot, run}) => make('th', {className: 'n', scope: 'col', title: run.name}, key(slot), shortName(run.name)))));
const shortName = name => name.length > 28 ? name.slice(0, 13) + '…' + name.slice(-13) : name;

// One line per name, one column per run.
function fillTable(table, chosen, lines) {
  table.replaceChildren(headOf(chosen), make('tbody', {}, ...lines.map(([name, values, differs]) =>
    make('tr', {className: differs ? 'differs' : ''}, make('th', {scope: 'row'}, name), ...values.map(value => make('td', {className: 'n'}, value))))));
}

function showNumbers(chosen) {
  const names = order(new Set(chosen.flatMap(({run}) => Object.keys(run.evaluation ?? {}))));
  const lines = names.map(name => [name, chosen.map(({run}) => number(run.evaluation?.[name]))]);
  fillTable($('last'), chosen, [['step', chosen.map(({run}) => String(run.evaluation?.step ?? '–'))], ...lines]);
  const splits = ['test', 'validation', 'train'].filter(split => chosen.some(({run}) => run.evaluations[split]));
  const open = new Set([...$('evaluations').querySelectorAll('details[open]')].map(details => details.dataset.split));
  fill($('evaluations'), chosen.map(({slot, run}) => [slot, run.id, run.evaluations]), () => splits.map(split => {
    const table = make('table'), found = run => run.evaluations[split] ?? {};
    const sections = [...new Set(chosen.flatMap(({run}) => Object.keys(found(run))))];
    fillTable(table, chosen, sections.flatMap(section =>
      [...new Set(chosen.flatMap(({run}) => Object.keys(found(run)[section] ?? {})))]
        .map(name => [section === 'values' ? name : `${section}: ${name}`, chosen.map(({run}) => number(found(run)[section]?.[name]))])));
    const details = make('details', {open: open.has(split)}, make('summary', {}, `What evaluate found on the split ${split}`), make('div', {className: 'scroll'}, table));
    details.dataset.split = split;
    return details;
  }));
}

// Keys whose values differ between runs: [key, values by id].
function differences(chosen) {
  const found = new Map();
  for (const {run} of chosen)
    for (const [name, value] of run.config) (found.get(name) ?? found.set(name, new Map()).get(name)).set(run.id, value);
  return [...found].filter(([, values]) => values.size < chosen.length || new Set(values.values()).size > 1);
}

function showConfigs(chosen, different) {
  const differing = new Set(different.map(([name]) => name)), all = $('all-keys').checked || chosen.length < 2;
  const names = all ? [...new Set(chosen.flatMap(({run}) => run.config.map(([name]) => name)))] : [...differing];
  const values = new Map(chosen.map(({run}) => [run.id, new Map(run.config)]));
  $('configs-title').textContent = chosen.length < 2 ? 'Config' : 'Configs';
  $('configs-say').textContent = chosen.length > 1 && !differing.size ? 'The configs are the same.' : '';
  fillTable($('configs'), chosen, names.map(name => [name, chosen.map(({run}) => values.get(run.id).get(name) ?? '–'), all && differing.has(name)]));
}

// ------------------------------------------------------------------------------------------------------------ images

function showImages(chosen) {
  const names = [...new Set(chosen.flatMap(({run}) => run.figures.map(figure => figure.name)))].sort();
  $('images-say').textContent = names.length ? '' : 'These runs have no images yet; a training draws them at its end.';
  fill($('images'), chosen.map(({slot, run}) => [slot, run.id, run.figures]), () => names.map(name => make('div', {}, make('h3', {}, name),
    make('div', {className: 'pictures'}, ...chosen.flatMap(({slot, run}) =>
      run.figures.filter(figure => figure.name === name).map(figure => picture(slot, run, figure)))))));
}

function picture(slot, run, figure) {
  const address = 'figure?' + new URLSearchParams({run: run.id, name: figure.file, version: figure.version});
  const image = make('img', {src: address, alt: `${figure.name} of ${run.name}`, loading: 'lazy'});
  const button = make('button', {type: 'button', title: 'Enlarge'}, image);
  button.addEventListener('click', () => {
    $('large').querySelector('p').textContent = image.alt;
    Object.assign($('large').querySelector('img'), {src: address, alt: image.alt});
    $('large').showModal();
  });
  return make('figure', {}, button, make('figcaption', {}, key(slot), run.name));
}

// ------------------------------------------------------------------------------------------------------------ curves

const order = names => [...names].filter(name => !NOT_VALUES.has(name)).sort((a, b) => rank(a) - rank(b) || (a > b) - (a < b));
const rank = name => FIRST.includes(name) ? FIRST.indexOf(name) - FIRST.length : LAST.includes(name) ? 1 + LAST.indexOf(name) : 0;

// Fetches what is new of the selected runs' metrics.
async function fetchSeries() {
  for (const {run} of selected()) {
    let own = series.get(run.id);
    if (!own) series.set(run.id, own = {generation: 0, next: 0, lines: [], busy: false});
    const isStale = () => own.generation !== run.generation || own.next < run.bytes;
    if (own.busy || !isStale() || own.lines.length >= MOST_LINES) continue;
    own.busy = true;
    try {
      for (let more = true; more && series.get(run.id) === own;) more = await fetchPiece(run, own);
    } catch {
      setLink(false);
    }
    own.busy = false;
  }
}

// Returns whether there may be more.
async function fetchPiece(run, own) {
  const answer = await fetch('metrics?' + new URLSearchParams({run: run.id, generation: own.generation, from: own.next}));
  if (!answer.ok) return false;  // it has been removed meanwhile
  const piece = await answer.json();
  if (piece.generation !== own.generation || piece.from !== own.next) own.lines = [];
  own.lines = own.lines.concat(piece.lines);
  Object.assign(own, {generation: piece.generation, next: piece.next});
  drawSoon();
  return piece.next > piece.from && piece.next < runs.get(run.id)?.bytes && own.lines.length < MOST_LINES;
}

// The curves of one value: a line for each selected run and kind of split.
function curvesOf(name) {
  const kinds = {both: [true, false], train: [true], evaluation: [false]}[$('lines').value], axis = $('axis').value;
  return selected().flatMap(({slot, run}) => kinds.map(isTraining => ({
    slot, run, isTraining,
    points: (series.get(run.id)?.lines ?? []).filter(line => (line.split === 'train') === isTraining && typeof line[name] === 'number' && typeof line[axis] === 'number')
      .map(line => [line[axis], line[name]]),
  }))).filter(curve => curve.points.length);
}

let isDrawing = false;
function drawSoon() {
  if (!isDrawing) requestAnimationFrame(() => { isDrawing = false; drawAll(); });
  isDrawing = true;
}

function drawAll() {
  const names = order(new Set(selected().flatMap(({run}) => valuesIn(series.get(run.id)?.lines ?? []))));
  const figures = new Map([...$('charts').children].map(figure => [figure.dataset.name, figure]));
  const cut = selected().filter(({run}) => series.get(run.id)?.lines.length >= MOST_LINES).map(({run}) => run.name);
  $('curves-say').textContent = cut.length ? `Only the first ${MOST_LINES} lines of metrics are shown of: ${cut.join(', ')}` : '';
  const wantedFigures = names.map(name => figures.get(name) ?? makeChart(name));
  if (wantedFigures.length !== figures.size || wantedFigures.some((figure, i) => $('charts').children[i] !== figure)) $('charts').replaceChildren(...wantedFigures);
  wantedFigures.forEach(drawChart);
}

// The names of values: they are the same in all lines of a split.
function valuesIn(lines) {
  const ends = [lines.findLast(line => line.split === 'train'), lines.findLast(line => line.split !== 'train')];
  return ends.flatMap(line => Object.keys(line ?? {}).filter(name => !NOT_VALUES.has(name)));
}

function makeChart(name) {
  const canvas = make('canvas', {tabIndex: 0, '@role': 'img'}), unit = UNITS[name] ? ` (${UNITS[name]})` : '';
  const figure = make('figure', {}, make('figcaption', {}, name + unit), canvas, make('output'));
  figure.dataset.name = name;
  const at = x => { hover = x; drawSoon(); };
  canvas.addEventListener('pointermove', event => at(canvas.frame?.value(event.offsetX)));
  canvas.addEventListener('pointerleave', () => at(null));
  canvas.addEventListener('blur', () => at(null));
  canvas.addEventListener('keydown', event => {
    const sign = {ArrowLeft: -1, ArrowRight: 1}[event.key], frame = canvas.frame;
    if (!sign || !frame) return;
    event.preventDefault();
    const [low, high] = frame.x, from = hover ?? (sign > 0 ? low : high);
    at(Math.min(high, Math.max(low, from + sign * (high - low) / 50)));
  });
  return figure;
}

function niceTicks(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough * 0.999);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; ++i) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const factors = high / low > 1000 ? [1] : high / low > 20 ? [1, 3] : [1, 2, 3, 5, 7], ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); ++power)
    for (const factor of factors) ticks.push(factor * 10 ** power);
  const inside = ticks.filter(tick => tick >= low && tick <= high);
  return inside.length > 1 ? inside : niceTicks(low, high, 4);
}

// From values to pixels.
function frameOf(curves, width, height, isLog) {
  const xs = curves.flatMap(curve => [curve.points[0][0], curve.points.at(-1)[0]]);
  const x = [Math.min(0, ...xs), Math.max(...xs)], from = $('late').checked ? x[0] + 0.1 * (x[1] - x[0]) : -Infinity;
  let low = Infinity, high = -Infinity;
  for (const {points} of curves)
    for (const [at, value] of points) if (at >= from && (!isLog || value > 0)) { low = Math.min(low, value); high = Math.max(high, value); }
  if (low > high) return null;
  const to = isLog ? Math.log10 : value => value, back = isLog ? value => 10 ** value : value => value;
  const pad = 0.05 * (to(high) - to(low)) || Math.abs(to(high)) * 0.05 || 1;
  const y = [back(to(low) - pad), back(to(high) + pad)], left = 62, right = width - 22, top = 8, bottom = height - 38;
  const span = x[1] - x[0] || 1;
  return {
    x, y, left, right, top, bottom,
    px: value => left + (value - x[0]) / span * (right - left),
    py: value => bottom - (to(value) - to(y[0])) / (to(y[1]) - to(y[0])) * (bottom - top),
    value: pixel => Math.min(x[1], Math.max(x[0], x[0] + (pixel - left) / (right - left) * span)),
  };
}

function drawChart(figure) {
  const canvas = figure.querySelector('canvas'), scale = devicePixelRatio || 1, name = figure.dataset.name;
  const width = canvas.clientWidth, height = canvas.clientHeight, isLog = $('log').checked;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) Object.assign(canvas, {width: Math.round(width * scale), height: Math.round(height * scale)});
  const paint = canvas.getContext('2d'), curves = curvesOf(name), style = getComputedStyle(document.documentElement);
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  paint.clearRect(0, 0, width, height);
  const frame = canvas.frame = curves.length ? frameOf(curves, width, height, isLog) : null;
  canvas.setAttribute('aria-label', describe(name, curves));
  figure.querySelector('output').replaceChildren(...(frame && hover !== null && hover !== undefined ? readout(curves) : []));
  paint.font = '12px system-ui, sans-serif';
  paint.fillStyle = style.getPropertyValue('--soft');
  if (!frame) {
    paint.fillText(!curves.length ? 'no such lines' : 'no positive values', 20, height / 2);
    return;
  }
  drawAxes(paint, frame, name, isLog, style);
  paint.save();
  paint.beginPath();
  paint.rect(frame.left - 3, frame.top - 3, frame.right - frame.left + 8, frame.bottom - frame.top + 6);
  paint.clip();
  for (const curve of curves) drawCurve(paint, frame, curves, curve, isLog);
  paint.restore();
  if (hover !== null && hover !== undefined) drawLine(paint, [frame.px(hover), frame.top], [frame.px(hover), frame.bottom], style.getPropertyValue('--soft'));
}

function drawLine(paint, from, to, stroke) {
  paint.beginPath();
  paint.setLineDash([]);
  paint.lineWidth = 1;
  paint.strokeStyle = stroke;
  paint.moveTo(...from);
  paint.lineTo(...to);
  paint.stroke();
}

function drawAxes(paint, frame, name, isLog, style) {
  const grid = style.getPropertyValue('--line'), {left, right, top, bottom} = frame;
  paint.textAlign = 'right';
  paint.textBaseline = 'middle';
  for (const tick of isLog ? logTicks(...frame.y) : niceTicks(...frame.y, 5)) {
    drawLine(paint, [left, frame.py(tick)], [right, frame.py(tick)], grid);
    paint.fillText(short(tick), left - 5, frame.py(tick));
  }
  paint.textAlign = 'center';
  paint.textBaseline = 'top';
  for (const tick of niceTicks(...frame.x, Math.max(2, (right - left) / 90))) {
    drawLine(paint, [frame.px(tick), bottom], [frame.px(tick), bottom + 4], grid);
    paint.fillText(short(tick), frame.px(tick), bottom + 6);
  }
  drawLine(paint, [left, bottom], [right, bottom], style.getPropertyValue('--soft'));
  drawLine(paint, [left, top], [left, bottom], style.getPropertyValue('--soft'));
  paint.fillText($('axis').value, (left + right) / 2, bottom + 21);
  paint.save();
  paint.translate(4, (top + bottom) / 2);
  paint.rotate(-Math.PI / 2);
  paint.fillText(UNITS[name] ? 'nats' : name, 0, 0);
  paint.restore();
}

// The points to draw: of many that share a column of pixels, the first, the least, the greatest and the last.
function thinned(points, frame) {
  if (points.length < 4 * (frame.right - frame.left)) return points;
  const kept = [];
  for (let i = 0; i < points.length;) {
    const column = Math.round(frame.px(points[i][0]));
    let end = i, low = i, high = i;
    for (; end < points.length && Math.round(frame.px(points[end][0])) === column; ++end) {
      if (points[end][1] < points[low][1]) low = end;
      if (points[end][1] > points[high][1]) high = end;
    }
    for (const at of [...new Set([i, low, high, end - 1])].sort((a, b) => a - b)) kept.push(points[at]);
    i = end;
  }
  return kept;
}

// Evaluation: a strong line with dots. Training: a thin one beside it.
function drawCurve(paint, frame, curves, {slot, isTraining, points}, isLog) {
  const isBehind = isTraining && curves.some(other => other.slot === slot && !other.isTraining);
  const usable = thinned(isLog ? points.filter(([, value]) => value > 0) : points, frame);
  paint.strokeStyle = paint.fillStyle = colour(slot);
  paint.setLineDash(dashes(slot));
  paint.lineWidth = isBehind ? 1.3 : 2.2;
  paint.globalAlpha = isBehind ? 0.7 : 1;
  paint.lineJoin = 'round';
  paint.beginPath();
  for (const [x, y] of usable) paint.lineTo(frame.px(x), frame.py(y));
  paint.stroke();
  const hasDots = usable.length === 1 || (!isTraining && usable.length < (frame.right - frame.left) / 8);
  if (hasDots) for (const [x, y] of usable) {
    paint.beginPath();
    paint.arc(frame.px(x), frame.py(y), 3, 0, 7);
    paint.fill();
  }
  paint.globalAlpha = 1;
}

function nearest(points, x) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    points[middle][0] < x ? low = middle : high = middle;
  }
  return Math.abs(points[low][0] - x) <= Math.abs(points[high][0] - x) ? points[low] : points[high];
}

function readout(curves) {
  return curves.map(({slot, run, isTraining, points}) => {
    const [x, y] = nearest(points, hover);
    return make('span', {title: run.name}, key(slot), `${number(y)} ${isTraining ? 'training' : 'evaluation'}, ${$('axis').value} ${number(x)}`);
  });
}

// The chart in words, for those who cannot see it.
function describe(name, curves) {
  return `${name} by ${$('axis').value}. ` + curves.map(({run, isTraining, points}) =>
    `${run.name}, ${isTraining ? 'training' : 'evaluation'}: ${number(points[0][1])} at ${number(points[0][0])}, ${number(points.at(-1)[1])} at ${number(points.at(-1)[0])}`).join('; ');
}

// ----------------------------------------------------------------------------------------------------- the questions

function setLink(isThere) {
  $('link').className = isThere ? '' : 'lost';
  $('link').textContent = isThere ? '' : 'no answer from the program; what is shown may be old. Is `variform runs serve` still running?';
}

function forget(id) {
  rows.get(id)?.element.remove();
  for (const map of [rows, runs, series]) map.delete(id);
  const at = slots.indexOf(id);
  if (at >= 0) slots[at] = null;
}

// Takes in what has changed; returns whether the selected runs have.
function take(news) {
  const isFirst = version === 0;
  if (news.all) {
    if (!isFirst) wanted = selected().map(({run}) => run.name);
    [...runs.keys()].forEach(forget);
  }
  news.gone.forEach(forget);
  for (const run of news.runs) {
    run.config ??= runs.get(run.id)?.config ?? [];
    runs.set(run.id, run);
    fillRow(run);
  }
  version = news.version;
  skew = news.now - Date.now() / 1000;
  if (news.all) selectFirst();
  const touched = news.all || news.gone.length || news.runs.some(run => slots.includes(run.id));
  if (news.all || news.runs.length || news.gone.length) {
    arrange();
    summarise(news);
  }
  return touched;
}

function summarise(news) {
  const counts = Object.keys(STATES).map(name => [name, [...runs.values()].filter(run => run.state === name).length]).filter(([, count]) => count);
  $('summary').textContent = `${news.folders.join(', ')}: ` + (counts.map(([name, count]) => `${count} ${name}`).join(', ') || 'no runs yet');
  const running = counts.find(([name]) => name === 'running');
  document.title = (running ? `(${running[1]}) ` : '') + 'Variform runs';
  $('notes').replaceChildren(...news.links.map(link => make('li', {}, `${link} is a link, and is not followed; give the folder that it leads into to runs serve`)));
}

let timer = 0, isAsking = false;
async function poll() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  try {
    const answer = await fetch('runs?since=' + version);
    if (!answer.ok) throw new Error(answer.statusText);
    if (take(await answer.json())) showSelection();
    setLink(true);
    fetchSeries();
  } catch (error) {
    setLink(false);
    if (!(error instanceof TypeError)) console.error(error);
  }
  isAsking = false;
  timer = setTimeout(poll, document.hidden ? POLL_HIDDEN : POLL);
}

function begin() {
  const place = new URLSearchParams(location.hash.slice(1));
  wanted = place.getAll('run');
  $('filter').value = place.get('filter') ?? '';
  makeHead();
  $('filter').addEventListener('input', () => { arrange(); keepPlace(); });
  $('none').addEventListener('click', () => { slots.splice(0); series.clear(); keepPlace(); showSelection(); });
  for (const id of ['lines', 'axis', 'log', 'late']) $(id).addEventListener('change', drawSoon);
  $('all-keys').addEventListener('change', showSelection);
  addEventListener('resize', drawSoon);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showSelection);
  document.addEventListener('keydown', event => {
    if (event.key !== '/' || event.target.matches('input, select, textarea')) return;
    event.preventDefault();
    $('filter').focus();
  });
  document.addEventListener('visibilitychange', poll);
  setInterval(() => runs.forEach(fillTimes), 5000);
  poll();
}

begin();
