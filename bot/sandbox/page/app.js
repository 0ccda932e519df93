// app.js: start, routes, the live stream. The address says everything:
// #alice/db-ops, #alice/db-ops/1700000000.000100 (a thread), #bob/@home, #bob/@dm.
import { h, fill, icon, iconButton, same, toast } from './dom.js';
import { store, post, loadState, loadMessages, keep } from './store.js';
import { drawChannel, drawThread, forget, avatar } from './messages.js';
import { drawSidebar, userSwitch } from './sidebar.js';
import { composer } from './composer.js';
import { showViews, hide, drawHome } from './modal.js';
import { userOf } from './store.js';

const $ = (id) => document.getElementById(id);
const parts = () => decodeURIComponent(location.hash.slice(1)).split('/');
const hashOf = (kind, name = '') => '#' + [store.me.name, kind === 'channel' ? name : '@' + kind].join('/');

function channelNow() {
  if (store.view.kind === 'dm') return { id: store.dm, name: '', isDM: true, bot_member: true };
  return store.channels.find((c) => c.id === store.view.id);
}

function route() {
  const [who, where, thread] = parts();
  if (who && store.me && who !== store.me.name) { become(who); return; }
  if (where === '@home' || where === '@dm') store.view = { kind: where.slice(1), id: '' };
  else {
    const c = store.channels.find((x) => x.name === where) || store.channels[0];
    store.view = { kind: 'channel', id: c?.id || '' };
  }
  const opened = thread || '';
  const threadChanged = opened !== store.thread;
  store.thread = opened;
  closeSide();
  draw(true, threadChanged);
  if (store.view.kind === 'home') post('open_home', {});
}

let lastMain = '';

function draw(fresh, freshThread) {
  const c = channelNow();
  if (c && store.view.kind !== 'home') markRead(c.id);
  drawSidebar($('sidebar'), hashOf);
  header(c);
  const key = store.me.id + store.view.kind + store.view.id;
  const newMain = fresh && key !== lastMain;
  $('main').dataset.kind = store.view.kind;
  if (store.view.kind === 'home') {
    if (newMain || !$('stream').querySelector('.home')) drawHome($('stream'));
    fill($('compose'));
  } else if (c) {
    if (newMain) { $('stream').replaceChildren(); fill($('compose'), composer(c, '', 'composer-main')); }
    drawChannel($('stream'), c, { thread: openThread }, newMain);
    if (newMain && matchMedia('(min-width: 760px)').matches) $('composer-main')?.focus();
  }
  lastMain = key;
  const t = $('thread');
  t.hidden = !store.thread || !c;
  document.body.classList.toggle('with-thread', !t.hidden);
  if (!t.hidden) {
    const slot = drawThread(t, c, store.thread, closeThread, freshThread);
    if (freshThread) fill(slot, composer(c, store.thread, 'composer-thread'));
  } else fill(t);
  document.title = `${c && !c.isDM ? '#' + c.name : userOf(store.app.user).real_name} · ${store.team.name}`;
}

function header(c) {
  const dark = document.documentElement.dataset.theme === 'dark';
  if (same($('bar'), store.me, store.view, c, dark, [...store.users.values()])) return;
  const home = store.view.kind !== 'channel', bot = userOf(store.app.user);
  const tab = (kind, text) => h('a', { href: hashOf(kind), class: 'tab', 'aria-current': store.view.kind === kind ? 'page' : null }, text);
  const title = home
    ? [avatar(bot, 24), h('h2', {}, bot.real_name), h('span', { class: 'tabs' }, tab('home', 'Home'), tab('dm', 'Messages'))]
    : [icon(c?.is_private ? 'lock' : 'hash', 20), h('h2', {}, c?.name), h('span', { class: 'sub', title: (c?.members || []).map((m) => userOf(m).name).join(', ') }, icon('people', 15), `${(c?.members.length || 0) + (c?.bot_member ? 1 : 0)}`)];
  fill($('bar'), iconButton('menu', 'Channels', openSide, { class: 'ghost only-small' }), h('div', { class: 'bar-title' }, title),
    iconButton(dark ? 'sun' : 'moon', dark ? 'Light colours' : 'Dark colours', () => { theme(dark ? 'light' : 'dark'); header(c); }), userSwitch((u) => { location.hash = `#${u.name}/${parts().slice(1, 2).join('/')}`; }));
  const n = $('notice');
  n.hidden = !(c && !c.isDM && !home && !c.bot_member);
  n.textContent = n.hidden ? '' : `${bot.real_name} is not in this channel. /invite @${bot.name} adds it.`;
}

function openThread(ts) { location.hash = `#${store.me.name}/${store.view.kind === 'dm' ? '@dm' : channelNow().name}/${ts}`; }
function closeThread() { location.hash = `#${store.me.name}/${store.view.kind === 'dm' ? '@dm' : channelNow().name}`; $('composer-main')?.focus(); }
function openSide() { $('app').classList.add('side-open'); $('scrim').hidden = false; $('sidebar').querySelector('a')?.focus(); }
function closeSide() { $('app').classList.remove('side-open'); $('scrim').hidden = true; }

function markRead(channel) {
  let newest = '0';
  for (const m of store.messages.values()) if (m.channel === channel && m.ts > newest) newest = m.ts;
  store.read.set(channel, newest);
  sessionStorage.setItem('read:' + store.me.id, JSON.stringify([...store.read]));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  localStorage.setItem('theme', name);
}

let stream, loading = 0, waiting = [];

async function become(name) {
  const st = await loadState(name);
  store.read = new Map(JSON.parse(sessionStorage.getItem('read:' + store.me.id) || '[]'));
  forget();
  hide();
  await listen();
  await snapshot();
  document.body.dataset.user = store.me.name;
  if (parts()[0] !== st.me.name) { history.replaceState(null, '', `#${st.me.name}/${parts()[1] || ''}`); }
  lastMain = '';
  store.thread = '';
  route();
  showViews();
}

let later = 0;
const soon = () => { if (!later) later = requestAnimationFrame(() => { later = 0; draw(false, false); }); };

// snapshot reads all messages; what the stream says meanwhile is put on top.
async function snapshot() {
  loading++;
  try {
    const rev = await loadMessages();
    if (loading === 1) waiting.filter((c) => c.rev > rev).forEach(apply);
  } finally { if (--loading === 0) waiting = []; }
}

function apply(c) {
  if (c.kind === 'message') { keep(c.message); soon(); }
  else if (c.kind === 'view') showViews();
  else if (c.kind === 'home') { if (store.view.kind === 'home') drawHome($('stream')); }
  else if (c.kind === 'toast') toast(c.text);
  else if (c.kind === 'people' || c.kind === 'sockets') refresh();
  else if (c.kind === 'reset') reload();
}

// listen opens the live stream of a person and resolves when it is open.
function listen() {
  stream?.close();
  const me = store.me.id;
  const mine = stream = new EventSource('/_ctl/stream?user=' + me);
  let dropped = false;
  stream.onmessage = (ev) => {
    if (stream !== mine) return;
    const c = JSON.parse(ev.data);
    if (loading) waiting.push(c); else apply(c);
  };
  return new Promise((open) => {
    stream.onerror = () => { dropped = true; document.body.classList.add('offline'); };
    stream.onopen = () => { document.body.classList.remove('offline'); open(); if (dropped) { dropped = false; reload(); } };
  });
}

// refresh reads people and rooms again; a composer is replaced only when the
// channel has changed under it.
async function refresh() {
  const before = channelNow();
  await loadState(store.me.id);
  const after = channelNow();
  if (before?.is_archived !== after?.is_archived) lastMain = '';
  draw(true, false);
}

async function reload() { await loadState(store.me.id); await snapshot(); forget(); draw(true, true); showViews(); }

async function main() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = new URLSearchParams(location.search).get('theme') || localStorage.getItem('theme') || (dark ? 'dark' : 'light');
  store.emoji = await (await fetch('emoji.json')).json();
  $('scrim').addEventListener('click', closeSide);
  addEventListener('hashchange', route);
  addEventListener('keydown', (e) => {
    if (e.key !== 'Escape' || document.querySelector('dialog[open], .menu')) return;
    if ($('app').classList.contains('side-open')) closeSide();
    else if (store.thread && $('thread').contains(document.activeElement)) closeThread();
  });
  await become(parts()[0]);
  document.body.dataset.ready = '1';
}

main();
