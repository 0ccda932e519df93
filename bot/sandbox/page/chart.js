// chart.js: the data_visualization block as an SVG, with the numbers as a table
// for those who do not see it.
import { h } from './dom.js';

const ns = 'http://www.w3.org/2000/svg';
const W = 520, H = 210, L = 52, B = 26, T = 10, R = 12;
const colour = (i) => `var(--chart-${(i % 6) + 1})`;

function s(tag, attrs, ...kids) {
  const el = document.createElementNS(ns, tag);
  for (const [k, v] of Object.entries(attrs)) el.setAttribute(k, v);
  kids.flat().forEach((k) => el.append(k));
  return el;
}

const short = (n) => (Math.abs(n) >= 1e9 ? `${+(n / 1e9).toFixed(1)}G` : Math.abs(n) >= 1e6 ? `${+(n / 1e6).toFixed(1)}M` : Math.abs(n) >= 1e4 ? `${+(n / 1e3).toFixed(1)}k` : String(+n.toFixed(2)));

function scale(values) {
  let lo = Math.min(0, ...values), hi = Math.max(0, ...values);
  if (hi === lo) hi = lo + 1;
  const raw = (hi - lo) / 4, p = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((k) => k * p).find((k) => k >= raw);
  lo = Math.floor(lo / step) * step; hi = Math.ceil(hi / step) * step;
  const ticks = [];
  for (let v = lo; v <= hi + step / 2; v += step) ticks.push(v);
  return { ticks, y: (v) => T + (H - T - B) * (1 - (v - lo) / (hi - lo)) };
}

function axes(chart) {
  const cats = chart.axis_config?.categories || [], series = chart.series || [];
  const { ticks, y } = scale(series.flatMap((q) => q.data.map((d) => d.value)));
  const slot = (W - L - R) / Math.max(1, cats.length);
  const x = (i) => L + slot * (i + 0.5);
  const out = [];
  ticks.forEach((t) => {
    out.push(s('line', { x1: L, x2: W - R, y1: y(t), y2: y(t), class: t === 0 ? 'axis' : 'grid' }));
    out.push(s('text', { x: L - 6, y: y(t) + 4, 'text-anchor': 'end', class: 'tick' }, short(t)));
  });
  const every = Math.ceil(cats.length / 8);
  cats.forEach((c, i) => { if (i % every === 0) out.push(s('text', { x: x(i), y: H - B + 15, 'text-anchor': 'middle', class: 'tick' }, slot * every < 70 && c.length > 10 ? c.slice(0, 9) + '…' : c)); });
  if (chart.axis_config?.x_label) out.push(s('text', { x: (W + L) / 2, y: H + 8, 'text-anchor': 'middle', class: 'tick label' }, chart.axis_config.x_label));
  if (chart.axis_config?.y_label) out.push(s('text', { x: 12, y: (H - B) / 2, 'text-anchor': 'middle', class: 'tick label', transform: `rotate(-90 12 ${(H - B) / 2})` }, chart.axis_config.y_label));
  return { out, x, y, slot, series, cats };
}

function bars(chart) {
  const { out, x, y, slot, series } = axes(chart);
  const w = Math.min(34, (slot * 0.72) / series.length);
  series.forEach((q, k) => q.data.forEach((d, i) => {
    const left = x(i) - (w * series.length) / 2 + w * k, top = Math.min(y(0), y(d.value));
    out.push(s('rect', { x: left + 1, y: top, width: w - 2, height: Math.max(1, Math.abs(y(d.value) - y(0))), rx: 3, fill: colour(k) },
      s('title', {}, `${q.name} · ${d.label}: ${d.value}`)));
  }));
  return out;
}

function lines(chart) {
  const { out, x, y, series } = axes(chart);
  series.forEach((q, k) => {
    const pts = q.data.map((d, i) => `${x(i)},${y(d.value)}`);
    if (chart.type === 'area') out.push(s('polygon', { points: [`${x(0)},${y(0)}`, ...pts, `${x(q.data.length - 1)},${y(0)}`].join(' '), fill: colour(k), 'fill-opacity': 0.2 }));
    out.push(s('polyline', { points: pts.join(' '), fill: 'none', stroke: colour(k), 'stroke-width': 2.2, 'stroke-linejoin': 'round' }));
    q.data.forEach((d, i) => out.push(s('circle', { cx: x(i), cy: y(d.value), r: 3, fill: colour(k) }, s('title', {}, `${q.name} · ${d.label}: ${d.value}`))));
  });
  return out;
}

function pie(chart) {
  const total = chart.segments.reduce((a, g) => a + g.value, 0), out = [];
  let at = -Math.PI / 2;
  chart.segments.forEach((g, k) => {
    const to = at + (g.value / total) * 2 * Math.PI - 1e-6, big = to - at > Math.PI ? 1 : 0;
    const p = (a, r) => `${W / 2 + r * Math.cos(a)} ${H / 2 + r * Math.sin(a)}`;
    out.push(s('path', { d: `M${p(at, 92)} A92 92 0 ${big} 1 ${p(to, 92)} L${p(to, 52)} A52 52 0 ${big} 0 ${p(at, 52)}Z`, fill: colour(k), class: 'slice' }, s('title', {}, `${g.label}: ${g.value}`)));
    at = to + 1e-6;
  });
  return out;
}

export function chart(b) {
  const c = b.chart || {};
  const names = c.type === 'pie' ? (c.segments || []).map((g) => g.label) : (c.series || []).map((q) => q.name);
  const kids = c.type === 'pie' ? pie(c) : c.type === 'bar' ? bars(c) : lines(c);
  const rows = c.type === 'pie' ? c.segments.map((g) => [g.label, g.value])
    : c.axis_config.categories.map((cat, i) => [cat, ...c.series.map((q) => q.data[i]?.value)]);
  return h('figure', { class: 'chart' },
    h('figcaption', {}, b.title),
    s('svg', { viewBox: `0 0 ${W} ${H + (c.axis_config?.x_label ? 14 : 0)}`, role: 'img', 'aria-label': b.title }, kids),
    h('ul', { class: 'legend' }, names.map((n, i) => { const dot = h('i'); dot.style.background = colour(i); return h('li', {}, dot, n); })),
    h('div', { class: 'sr' }, h('table', {}, h('caption', {}, b.title), rows.map((r) => h('tr', {}, r.map((v, i) => h(i ? 'td' : 'th', {}, v)))))));
}
