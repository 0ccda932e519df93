import { h, svg, table } from './dom.js';
import { t, size } from './text.js';

const days = 30;
const width = 720;
const height = 130;
const floor = height - 1;

// freed draws bytes given back by day: columns with their sum below, and the same as a table for
// those who do not see it.
export function freed(rows) {
  const sums = byDay(rows);
  const top = Math.max(...sums.map((d) => d.bytes));
  if (top <= 0) return h('p', { class: 'quiet' }, t('none_given'));
  const step = width / days;
  const columns = sums.map((d, i) => {
    const tall = d.bytes > 0 ? Math.max(2, (d.bytes / top) * (floor - 4)) : 0;
    return tall > 0 && svg('rect', { x: i * step + 2, y: floor - tall, width: step - 4, height: tall, rx: 2, class: 'column' },
      svg('title', {}, `${d.day}: ${size(d.bytes)}`));
  });
  const total = sums.reduce((n, d) => n + d.bytes, 0);
  const count = sums.reduce((n, d) => n + d.tables, 0);
  const summary = t('total30', { b: size(total), n: count });
  return h('figure', {},
    h('figcaption', {}, summary),
    svg('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': summary },
      svg('line', { x1: 0, x2: width, y1: floor, y2: floor, class: 'axis' }), columns),
    h('div', { class: 'line quiet' }, h('span', {}, sums[0].day), h('span', { class: 'grow middle' }, t('top_day', { b: size(top) })), h('span', {}, sums[days - 1].day)),
    h('details', {}, h('summary', {}, t('as_text')),
      table([t('day'), t('given')], sums.filter((d) => d.tables > 0).map((d) => [d.day, size(d.bytes)]), [false, true])));
}

// byDay sums all clusters over the last days, those without any included.
function byDay(rows) {
  const sums = new Map();
  for (let i = days - 1; i >= 0; i--) {
    const day = new Date(Date.now() - i * 86400e3).toISOString().slice(0, 10);
    sums.set(day, { day, bytes: 0, tables: 0 });
  }
  for (const r of rows) {
    const d = sums.get(r.day);
    if (!d) continue;
    d.bytes += r.bytes;
    d.tables += r.tables;
  }
  return [...sums.values()];
}
