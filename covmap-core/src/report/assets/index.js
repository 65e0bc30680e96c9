// The list of a batch. Only the rows in sight are in the document, so that ten thousand scroll as ten do.
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const control = id => document.getElementById(id);
const [ROW, MARGIN] = [76, 6];
const scroll = control('scroll');
const space = control('space');
const GRADES = ['none', 'mild', 'moderate', 'severe'];
// What a column sorts by; what is not known comes last either way.
const KEYS = {
  file: row => row.file.toLowerCase(),
  share: row => row.share,
  brixia: row => row.brixia,
  grade: row => row.grade === null ? null : GRADES.indexOf(row.grade),
  probability: row => row.probability,
  flags: row => row.error ? 99 : row.flags.length,
};
const SHOWN = {
  all: () => true,
  positive: row => row.positive === true,
  negative: row => row.positive === false,
  flagged: row => row.flags.length > 0,
  failed: row => row.error !== null,
};
let sorted = { column: 'file', ascending: true };
let rows = [];
const lines = new Map();

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function cell(className, ...content) {
  const made = element('div', className);
  made.setAttribute('role', 'cell');
  made.append(...content);
  return made;
}

function line(row, index) {
  const made = element('div', 'row line');
  made.setAttribute('role', 'row');
  made.setAttribute('aria-rowindex', index + 2);
  const known = (value, digits) => value === null ? '' : value.toFixed(digits);
  const picture = [];
  if (row.thumbnail) {
    const image = element('img');
    image.alt = '';
    image.loading = 'lazy';
    image.decoding = 'async';
    image.src = row.thumbnail;
    picture.push(image);
  }
  let name = element('span', '', row.file);
  if (row.report) {
    name = element('a', '', row.file);
    name.href = row.report;
  }
  const share = [];
  if (row.share !== null) {
    const meter = element('meter');
    meter.value = row.share;
    meter.setAttribute('aria-hidden', 'true');
    share.push(`${(100 * row.share).toFixed(1)} %`, meter);
  }
  const answer = row.positive === null ? '' : row.positive ? 'positive' : 'negative';
  const detection = element('span', answer, row.probability === null ? answer : `${answer} ${row.probability.toFixed(2)}`);
  const flags = row.error ? [element('span', 'failed', row.error)] : row.flags.map(flag => element('span', 'flag', flag));
  made.append(cell('', ...picture), cell('', name), cell('share', ...share), cell('number', known(row.brixia, 1)),
    cell('', row.grade ?? ''), cell('', detection), cell('flags', ...flags));
  made.style.top = `${index * ROW}px`;
  return made;
}

function draw(everything = false) {
  const first = everything ? 0 : Math.max(0, Math.floor(scroll.scrollTop / ROW) - MARGIN);
  const last = everything ? rows.length : Math.min(rows.length, Math.ceil((scroll.scrollTop + scroll.clientHeight) / ROW) + MARGIN);
  for (const [index, made] of lines) {
    // A line that has the focus stays, or the keyboard would lose its place.
    if ((index < first || index >= last) && !made.contains(document.activeElement)) {
      made.remove();
      lines.delete(index);
    }
  }
  for (let index = first; index < last; index++) {
    if (lines.has(index)) continue;
    const made = line(rows[index], index);
    // In order, for the tabulator and for readers.
    const after = [...lines.keys()].filter(i => i > index).sort((a, b) => a - b)[0];
    space.insertBefore(made, after === undefined ? null : lines.get(after));
    lines.set(index, made);
  }
}

function arrange() {
  const words = control('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = SHOWN[control('show').value];
  const text = row => `${row.file} ${row.grade ?? ''} ${row.flags.join(' ')} ${row.error ?? ''}`.toLowerCase();
  rows = data.rows.filter(row => shown(row) && (words.length === 0 || words.every(word => text(row).includes(word))));
  const key = KEYS[sorted.column];
  const sign = sorted.ascending ? 1 : -1;
  const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;
  const keyed = rows.map(row => [key(row), row]);
  keyed.sort(([a, x], [b, y]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * compare(a, b) || compare(x.file, y.file);
  });
  rows = keyed.map(([, row]) => row);
  for (const head of document.querySelectorAll('[data-column]')) {
    const way = sorted.ascending ? 'ascending' : 'descending';
    head.setAttribute('aria-sort', head.dataset.column === sorted.column ? way : 'none');
  }
  for (const made of lines.values()) made.remove();
  lines.clear();
  space.style.height = `${rows.length * ROW}px`;
  control('table').setAttribute('aria-rowcount', rows.length + 1);
  control('count').textContent = `${rows.length} of ${data.rows.length} radiographs`;
  scroll.scrollTop = 0;
  draw();
}

for (const head of document.querySelectorAll('[data-column]')) {
  head.firstElementChild.addEventListener('click', () => {
    const column = head.dataset.column;
    // Figures are asked for from the top, names from the beginning.
    sorted = { column, ascending: sorted.column === column ? !sorted.ascending : column === 'file' };
    arrange();
  });
}
let waiting = false;
scroll.addEventListener('scroll', () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}, { passive: true });
addEventListener('resize', () => draw());
addEventListener('beforeprint', () => draw(true));
addEventListener('afterprint', () => draw());
control('filter').addEventListener('input', arrange);
control('show').addEventListener('input', arrange);
arrange();
document.body.dataset.ready = 'yes';
