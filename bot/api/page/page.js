// The page: asks for a token, reads the event log every two seconds, and the lists when there is
// something new or a job runs.
import { h } from './dom.js';
import { t, lang, setLang, otherLang } from './text.js';
import { freed } from './chart.js';
import * as views from './views.js';

const every = 2000;
let token = sessionStorage.getItem('token') || '';
let seq = null; // the log's end when it was read last
let answered = null; // when the server answered last
let shown = null; // what was read last
let cluster = '';
let topology = null; // {cluster, at, image, text}

class Refused extends Error {}

// call reads one thing of the API.
async function call(path, as = 'json') {
  const answer = await fetch(`/api/v1/${path}`, { headers: { Authorization: `Bearer ${token}` } });
  if (answer.status === 401 || answer.status === 403) throw new Refused();
  if (!answer.ok) {
    const e = new Error(`${answer.status}`);
    e.status = answer.status;
    throw e;
  }
  return answer[as]();
}

// read reads every list of the page.
async function read() {
  const [live, paused, queued, ended, pending, days, top, planned, health, clusters] = await Promise.all([
    call('jobs?state=running'), call('jobs?state=paused'), call('jobs?state=queued'), call('jobs?limit=50'), call('requests?state=pending'),
    call('freed?days=30'), call('tables?limit=15'), call('schedules'), call('health'), call('clusters')]);
  const final = ended.items.filter((j) => !['running', 'paused', 'queued'].includes(j.state)).slice(0, 15);
  if (!clusters.items.includes(cluster)) cluster = clusters.items[0] || '';
  shown = { live: [...live.items, ...paused.items, ...queued.items], final, pending: pending.items, days: days.items, top: top.items,
    planned: planned.items, health, clusters: clusters.items };
  await readTopology();
}

// readRunning reads what changes without an event: the progress of jobs, and the health.
async function readRunning() {
  const [live, health] = await Promise.all([call('jobs?state=running'), call('health')]);
  shown.live = [...live.items, ...shown.live.filter((j) => j.state !== 'running')];
  shown.health = health;
}

// readTopology reads the drawing of the chosen cluster; one that was never discovered has none.
async function readTopology() {
  const of = `topologies/newest?cluster=${encodeURIComponent(cluster)}`;
  try {
    const [text, image] = await Promise.all([call(`${of}&format=text`, 'text'), call(`${of}&format=png`, 'blob')]);
    if (topology) URL.revokeObjectURL(topology.image);
    topology = { text, image: URL.createObjectURL(image) };
  } catch (e) {
    if (e.status !== 404) throw e;
    topology = null;
  }
}

async function round() {
  try {
    const { last } = await call('events?limit=1');
    if (last === seq) await readRunning();
    else await read();
    seq = last; // not before it was read: what failed is read again
    answered = new Date();
    draw();
  } catch (e) {
    if (e instanceof Refused) return ask(true);
    stale();
  }
  return setTimeout(round, every);
}

// stale says since when what is shown is old.
function stale() {
  if (!answered) draw();
  const note = document.getElementById('note');
  if (note) note.textContent = answered ? t('old', { t: answered.toLocaleTimeString() }) : t('old', { t: '–' });
}

function header() {
  const ok = shown && shown.health.status === 'ok';
  const trouble = shown && shown.health.checks.filter((c) => c.status !== 'ok').map((c) => `${c.name}: ${c.detail}`).join('; ');
  return h('header', {},
    h('img', { src: 'page/icon.svg', alt: '', width: 28, height: 28 }), h('h1', { class: 'grow' }, 'mysql-recycler'),
    shown && h('span', { class: ok ? 'state succeeded' : 'state failed' }, h('span', { 'aria-hidden': 'true' }, ok ? '✓' : '!'), ' ', ok ? t('healthy') : `${t('troubled')}: ${trouble}`),
    h('button', { type: 'button', onclick: () => { setLang(otherLang()); (token ? draw : ask)(); } }, t('language')),
    token && h('button', { type: 'button', onclick: () => { forget(); ask(); } }, t('forget')));
}

function draw() {
  const s = shown || { live: [], final: [], pending: [], days: [], top: [], planned: [], clusters: [] };
  const places = Object.fromEntries([...document.querySelectorAll('.scroll')].map((e, i) => [i, e.scrollLeft]));
  const openDetails = [...document.querySelectorAll('details')].map((d) => d.open);
  document.body.replaceChildren(header(), h('p', { id: 'note', role: 'status' }), h('main', {},
    views.section(t('running'), t('none_running'), views.running(s.live, open)),
    views.section(t('waiting'), t('none_waiting'), views.waiting(s.pending)),
    views.section(t('given'), t('none_given'), freed(s.days)),
    views.section(t('cluster'), t('none_topology'), clusterPart(s.clusters)),
    views.section(t('tables'), t('none_tables'), views.tables(s.top)),
    views.section(t('schedules'), t('none_schedules'), views.schedules(s.planned)),
    views.section(t('recent'), t('none_recent'), views.recent(s.final, open))));
  document.querySelectorAll('.scroll').forEach((e, i) => { e.scrollLeft = places[i] || 0; });
  document.querySelectorAll('details').forEach((d, i) => { d.open = openDetails[i] || false; });
}

function clusterPart(names) {
  const choose = names.length > 1 && h('select', { 'aria-label': t('cluster'), onchange: async (e) => { cluster = e.target.value; await readTopology(); draw(); } },
    names.map((n) => h('option', { value: n, selected: n === cluster }, n)));
  if (!topology) return choose ? [choose, h('p', { class: 'quiet' }, t('none_topology'))] : [];
  return [choose, h('img', { class: 'topology', src: topology.image, alt: topology.text }),
    h('details', {}, h('summary', {}, t('as_text')), h('div', { class: 'scroll' }, h('pre', {}, topology.text)))];
}

// open shows one job in a dialog.
async function open(id) {
  try {
    const j = await call(`jobs/${encodeURIComponent(id)}`);
    const dialog = h('dialog', { onclose: () => dialog.remove() }, views.detail(j),
      h('form', { method: 'dialog' }, h('button', {}, t('close'))));
    document.documentElement.append(dialog); // outside of the body, which is drawn anew
    dialog.showModal();
  } catch (e) {
    if (e instanceof Refused) ask(true);
    else stale();
  }
}

function forget() {
  token = '';
  sessionStorage.removeItem('token');
  [seq, shown, answered, topology] = [null, null, null, null];
}

// ask shows the form for the token.
function ask(wrong = false) {
  forget();
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true });
  document.body.replaceChildren(header(), h('main', {}, h('form', {
    class: 'ask', onsubmit: (e) => {
      e.preventDefault();
      token = input.value.trim();
      sessionStorage.setItem('token', token);
      document.body.replaceChildren(header());
      round();
    },
  }, h('label', { for: 'token' }, t('token')), input, h('button', {}, t('open')),
  wrong && h('p', { role: 'alert' }, '✕ ', t('wrong')), h('p', { class: 'quiet' }, t('token_hint')))));
  input.focus();
}

setLang(lang);
if (token) round();
else ask();
