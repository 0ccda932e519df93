import { h, table } from './dom.js';
import { t, size, span, stamp, stateWord } from './text.js';

// marks are told beside the words, never instead of them.
const marks = { succeeded: '✓', done: '✓', failed: '✕', refused: '⊘', cancelled: '–', skipped: '–', unknown: '?', running: '▶', paused: '❚❚', queued: '…', pending: '…', active: '●' };

// state is a word with its mark.
export function state(s) {
  return h('span', { class: `state ${s}` }, h('span', { 'aria-hidden': 'true' }, marks[s] || '•'), ' ', stateWord(s));
}

// section is a titled part of the page; empty says what it means that there is nothing.
export function section(title, empty, ...children) {
  const shown = children.flat().filter(Boolean);
  return h('section', {}, h('h2', {}, title), shown.length ? shown : h('p', { class: 'quiet' }, empty));
}

// bar shows how far a job is, in length and in words.
function bar(j) {
  const part = (j.progress || []).reduce((sum, p) => sum + p.fraction, 0);
  const whole = j.tables ? Math.min(1, (j.tables_ended + part) / j.tables) : 0;
  const fill = h('div', { class: 'fill' });
  fill.style.width = `${(whole * 100).toFixed(1)}%`;
  return h('div', { class: 'bar', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': Math.round(whole * 100), 'aria-label': j.id }, fill);
}

// running is a card per job in progress.
export function running(jobs, open) {
  return jobs.map((j) => {
    return h('article', { class: 'job' },
      h('div', { class: 'line' }, jobLink(j, open), h('span', { class: 'grow' }, j.host), state(j.state)),
      bar(j),
      h('div', { class: 'line quiet' },
        h('span', {}, t('of_tables', { n: j.tables_ended, m: j.tables })),
        h('span', {}, `${t('gave')}: ${size(j.freed_bytes)}`)),
      (j.progress || []).map((p) => h('div', { class: 'line quiet' },
        h('span', { class: 'grow' }, `${p.table} · ${p.phase} ${Math.round(p.fraction * 100)} %`),
        p.eta_seconds > 0 && h('span', {}, t('left', { t: span(p.eta_seconds) })))),
      (j.waits_for || []).map((w) => h('p', { class: 'waits' }, `${t('waits_for')}: ${w}`)));
  });
}

function jobLink(j, open) {
  return h('button', { type: 'button', class: 'link', onclick: () => open(j.id) }, j.id);
}

export function waiting(requests) {
  if (!requests.length) return [];
  return [
    table([t('job'), t('command'), t('gain'), t('asked'), t('expires')], requests.map((r) => [
      r.id, h('code', {}, r.command), r.plan ? size(r.plan.gain_bytes) : '', r.requester.name || r.requester.id, stamp(r.expires)]), [false, false, true]),
    h('p', { class: 'quiet' }, t('approve_in')),
  ];
}

export function recent(jobs, open) {
  if (!jobs.length) return [];
  return [table([t('job'), t('host'), t('state'), t('gave'), t('ended'), t('reason')], jobs.map((j) => [
    jobLink(j, open), j.host, state(j.state), j.tables ? size(j.freed_bytes) : '', stamp(j.times.ended), j.reason || '']), [false, false, false, true])];
}

export function tables(rows) {
  if (!rows.length) return [];
  return [table([t('host'), t('table'), t('size'), t('gain'), t('seen')], rows.map((r) => [
    r.host, r.table, size(r.bytes), size(r.gain_bytes), stamp(r.seen)]), [false, false, true, true])];
}

export function schedules(rows) {
  if (!rows.length) return [];
  return [table(['', t('command'), t('when'), t('next'), t('owner'), t('state')], rows.map((r) => [
    r.id, h('code', {}, r.command), `${r.cron} ${r.zone}`, r.next ? stamp(r.next) : '', r.owner.name || r.owner.id, state(r.state)]))];
}

// detail is one job with its tables, in a dialog.
export function detail(j) {
  const steps = j.steps || [];
  return [
    h('div', { class: 'line' }, h('h2', { class: 'grow' }, `${j.id} · ${j.host}`), state(j.state)),
    j.reason && h('p', {}, j.reason),
    steps.length ? table([t('table'), t('state'), t('before'), t('after'), t('gave'), t('took'), t('reason')], steps.map((s) => [
      s.table, state(s.state), s.before_bytes ? size(s.before_bytes) : size(s.planned_bytes), s.after_bytes ? size(s.after_bytes) : '',
      s.after_bytes ? size(s.before_bytes - s.after_bytes) : '', s.took_seconds ? span(s.took_seconds) : '', s.reason || '']), [false, false, true, true, true, true])
      : h('p', { class: 'quiet' }, t('no_steps')),
  ].filter(Boolean);
}
