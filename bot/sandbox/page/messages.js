// messages.js: one message, the list of a channel, the thread.
import { h, icon, iconButton, fill, menu, toast } from './dom.js';
import { store, post, roots, replies, userOf, tsDate, clock, dayKey, dayName, format } from './store.js';
import { mrkdwn, emojiNode } from './mrkdwn.js';
import { blocks, files } from './blocks.js';

const hues = [168, 210, 262, 330, 14, 40, 95, 190, 290];

export function avatar(user, size = 36) {
  const bot = user.id === store.app.user;
  const el = h('span', { class: 'avatar' + (bot ? ' bot' : ''), 'aria-hidden': 'true' }, bot ? h('img', { src: 'icon.svg', alt: '' })
    : (user.real_name || user.name).split(/\s+/).map((w) => w[0]).slice(0, 2).join('').toUpperCase());
  let n = 0;
  for (const c of user.id) n = (n * 31 + c.charCodeAt(0)) >>> 0;
  el.style.setProperty('--hue', hues[n % hues.length]);
  el.style.setProperty('--size', size + 'px');
  return el;
}

const quick = ['white_check_mark', 'eyes', '+1', 'tada', 'question', 'raised_hands'];

function reactions(m) {
  if (!m.reactions?.length) return null;
  return h('div', { class: 'reactions' }, m.reactions.map((r) => {
    const mine = r.users.includes(store.me.id);
    const who = r.users.map((u) => userOf(u).name).join(', ');
    return h('button', { type: 'button', class: 'reaction' + (mine ? ' mine' : ''), 'aria-pressed': String(mine), title: `${who} reacted with :${r.name}:`,
      onclick: () => post('react', { channel: m.channel, ts: m.ts, name: r.name, remove: mine }) }, emojiNode(r.name), h('span', {}, r.users.length));
  }));
}

function tools(m, actions) {
  if (m.ephemeral_for) return null;
  const react = iconButton('smile', 'Add a reaction', () => menu(react, quick.map((n) => ({ text: n.replace(/_/g, ' '), lead: emojiNode(n),
    run: () => post('react', { channel: m.channel, ts: m.ts, name: n }) })), 'Reactions'), { 'aria-haspopup': 'menu' });
  const short = store.app.message_shortcuts?.length > 0 && iconButton('bolt', 'Message shortcuts', () => menu(short, store.app.message_shortcuts.map((s) => ({ text: s.name, lead: icon('bolt', 16),
    run: () => post('shortcut', { channel: m.channel, ts: m.ts, callback_id: s.callback_id }) })), 'Message shortcuts'), { 'aria-haspopup': 'menu' });
  return h('div', { class: 'tools' }, react, short,
    actions.thread && iconButton('reply', 'Reply in thread', () => actions.thread(m.thread_ts || m.ts)));
}

function context(m) {
  const at = { channel: m.channel, ts: m.ts };
  return {
    async act(e, b, value, confirm) {
      const out = await post('click', { ...at, action_id: e.action_id, block_id: b.block_id, value, confirm });
      if (out.error) toast(out.message || out.error);
    },
    suggest: (e, b, query) => post('suggest', { ...at, action_id: e.action_id, block_id: b.block_id, value: query }),
  };
}

function body(m) {
  const ctx = context(m), out = [];
  if (m.blocks?.length) out.push(blocks(m.blocks, ctx));
  else if (m.text) out.push(h('div', { class: 'text' }, mrkdwn(m.text)));
  for (const a of m.attachments || []) {
    const el = h('div', { class: 'attachment' }, a.blocks ? blocks(a.blocks, ctx) : [a.title && h('b', {}, a.title), h('div', { class: 'text' }, mrkdwn(a.text || a.fallback))]);
    if (/^#?[0-9a-f]{6}$/i.test(a.color || '')) el.style.borderColor = '#' + a.color.replace('#', '');
    out.push(el);
  }
  out.push(files(m.files));
  return out;
}

function threadLine(m, actions) {
  const list = replies(m.channel, m.ts).filter((r) => !r.ephemeral_for || r.ephemeral_for === store.me.id);
  if (!list.length || !actions.thread) return null;
  const who = [...new Set(list.map((r) => r.user))].slice(0, 4);
  return h('button', { type: 'button', class: 'replies', onclick: () => actions.thread(m.ts) }, who.map((u) => avatar(userOf(u), 22)),
    h('b', {}, `${list.length} ${list.length === 1 ? 'reply' : 'replies'}`), h('span', {}, `Last reply ${dayName(tsDate(list.at(-1).ts)).toLowerCase()} at ${clock(tsDate(list.at(-1).ts))}`));
}

function message(m, actions, joined) {
  const u = userOf(m.user), d = tsDate(m.ts);
  const full = format(d, { weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23', timeZoneName: 'short' });
  const time = h('time', { class: 'when', datetime: d.toISOString(), title: full }, clock(d));
  const eph = m.ephemeral_for && h('div', { class: 'only-you' }, icon('eye', 14), 'Only visible to you · ',
    h('button', { type: 'button', class: 'linkish', onclick: () => post('dismiss', { channel: m.channel, ts: m.ts }) }, 'Dismiss'));
  const note = m.subtype === 'thread_broadcast' && actions.thread && h('button', { type: 'button', class: 'linkish broadcast', onclick: () => actions.thread(m.thread_ts) }, 'replied to a thread');
  return h('article', { class: 'message' + (joined ? ' joined' : '') + (m.ephemeral_for ? ' ephemeral' : ''), data: { ts: m.ts, channel: m.channel },
    'aria-label': `${u.real_name || u.name} at ${clock(d)}` },
    h('div', { class: 'gutter' }, joined ? time : avatar(u)),
    h('div', { class: 'content' },
      eph,
      !joined && h('div', { class: 'head' }, h('b', { class: 'who' }, u.real_name || u.name), u.is_bot && h('span', { class: 'badge' }, 'APP'), (u.is_restricted || u.is_ultra_restricted) && h('span', { class: 'badge guest' }, 'GUEST'), time),
      note, body(m), m.version > 1 && h('span', { class: 'edited', title: `Version ${m.version}` }, '(edited)'),
      reactions(m), threadLine(m, actions)),
    tools(m, actions));
}

const cache = new Map();

// drawn reuses the node of a message that has not changed, so that focus, open
// selects and scroll positions survive a live update.
function drawn(where, m, actions, joined) {
  const sig = JSON.stringify([m, joined, store.me.id, actions.thread ? replies(m.channel, m.ts).map((r) => r.ts) : 0]);
  const key = where + m.channel + m.ts;
  const old = cache.get(key);
  if (old?.sig === sig) return old.el;
  const el = message(m, actions, joined);
  cache.set(key, { sig, el });
  return el;
}

export function forget() { cache.clear(); }

function sequence(where, list, actions, days) {
  const out = [];
  let prev;
  for (const m of list) {
    const d = tsDate(m.ts);
    if (days && (!prev || dayKey(tsDate(prev.ts)) !== dayKey(d))) { out.push(h('div', { class: 'day', role: 'separator' }, h('span', {}, dayName(d)))); prev = null; }
    const joined = prev && prev.user === m.user && m.ts - prev.ts < 300 && !m.ephemeral_for && !prev.ephemeral_for && prev.subtype === m.subtype && !m.blocks?.length;
    out.push(drawn(where, m, actions, Boolean(joined)));
    prev = m;
  }
  return out;
}

// stick keeps the end in sight while pictures load and the composer grows.
function stick(el) {
  if (el.dataset.stick) return;
  el.dataset.stick = '1';
  let low = true, size = '';
  const stay = () => { if (low) el.scrollTop = el.scrollHeight; size = el.scrollHeight + '/' + el.clientHeight; };
  el.addEventListener('scroll', () => {
    if (size !== el.scrollHeight + '/' + el.clientHeight) stay(); // the box moved, not the reader
    else low = el.scrollHeight - el.scrollTop - el.clientHeight < 80;
  });
  el.addEventListener('load', stay, true);
  new ResizeObserver(stay).observe(el);
}

// place swaps children in with as little change as possible.
function place(el, nodes) {
  const focus = document.activeElement, inside = el.contains(focus);
  const mark = inside && focus.closest('[data-ts]') && { ts: focus.closest('[data-ts]').dataset.ts, action: focus.dataset.action };
  const low = el.scrollHeight - el.scrollTop - el.clientHeight < 80;
  stick(el);
  nodes.forEach((n, i) => { if (el.childNodes[i] !== n) el.insertBefore(n, el.childNodes[i] || null); });
  while (el.childNodes.length > nodes.length) el.lastChild.remove();
  if (low) el.scrollTop = el.scrollHeight;
  if (mark && !el.contains(document.activeElement)) {
    const again = el.querySelector(`[data-ts="${mark.ts}"]`);
    (again?.querySelector(`[data-action="${CSS.escape(mark.action || '')}"]`) || again?.querySelector('button') || el).focus({ preventScroll: true });
  }
}

export function drawChannel(el, channel, actions, fresh) {
  const list = roots(channel.id);
  const intro = h('div', { class: 'intro' }, channel.isDM
    ? [avatar(userOf(store.app.user), 64), h('h2', {}, userOf(store.app.user).real_name), h('p', {}, 'This is your private conversation with the app.')]
    : [h('div', { class: 'intro-mark' }, icon(channel.is_private ? 'lock' : 'hash', 30)), h('h2', {}, '#' + channel.name), h('p', {}, `The beginning of the ${channel.name} channel. ${channel.bot_member ? `Type ${store.app.command} to talk to the app.` : `The app is not a member: type /invite @${userOf(store.app.user).name} to add it.`}`)]);
  place(el, [intro, ...sequence('c', list, actions, true)]);
  if (fresh) el.scrollTop = el.scrollHeight;
}

export function drawThread(el, channel, ts, close, fresh) {
  const root = store.messages.get(channel.id + '/' + ts);
  let stream = el.querySelector('.stream');
  if (fresh || !stream) {
    stream = h('section', { class: 'stream', 'aria-label': 'Thread messages', tabindex: '0' });
    fill(el, h('header', { class: 'bar' }, h('div', { class: 'bar-title' }, h('h2', {}, 'Thread'), h('span', { class: 'sub' }, channel.isDM ? 'Direct message' : '#' + channel.name)), iconButton('close', 'Close thread', close)),
      stream, h('div', { class: 'compose' }));
  }
  const list = replies(channel.id, ts);
  const count = list.length ? [h('div', { class: 'day left', role: 'separator' }, h('span', {}, `${list.length} ${list.length === 1 ? 'reply' : 'replies'}`))] : [];
  place(stream, root ? [drawn('t', root, {}, false), ...count, ...sequence('t', list, {}, false)] : [h('p', { class: 'empty' }, 'This message was deleted.')]);
  if (fresh) stream.scrollTop = stream.scrollHeight;
  return el.querySelector('.compose');
}
