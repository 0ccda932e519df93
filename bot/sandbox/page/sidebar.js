// sidebar.js: workspace name, channels with unread dots, the app, and who you are.
import { h, icon, fill, menu, same } from './dom.js';
import { store, userOf } from './store.js';
import { avatar } from './messages.js';

export function unread(channel) {
  const seen = store.read.get(channel) || '0';
  return [...store.messages.values()].some((m) => m.channel === channel && m.ts > seen && m.user !== store.me.id);
}

const link = (to, current, lead, text, dot, extra) => h('a', { href: to, class: 'nav' + (dot ? ' unread' : ''), 'aria-current': current ? 'page' : null,
  'aria-label': dot ? `${text}, unread` : text }, lead, h('span', { class: 'nav-text' }, text), extra, dot && h('span', { class: 'dot' }));

export function drawSidebar(el, hashOf) {
  const at = store.view, bot = userOf(store.app.user);
  const news = [...store.channels.map((c) => c.id), store.dm].filter(unread);
  if (same(el, store.me.id, store.team, store.channels, at, news, store.sockets)) return;
  const focused = el.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  fill(el,
    h('div', { class: 'team' }, h('span', { class: 'team-mark' }, (store.team.name || '?')[0]), h('div', {}, h('h1', {}, store.team.name), h('small', {}, 'Practice workspace'))),
    h('div', { class: 'nav-scroll' },
      h('h2', { class: 'nav-head' }, 'Channels'),
      store.channels.map((c) => link(hashOf('channel', c.name), at.kind === 'channel' && at.id === c.id, icon(c.is_private ? 'lock' : 'hash', 16), c.name, unread(c.id) && at.id !== c.id,
        c.is_archived && h('small', {}, 'archived'))),
      h('h2', { class: 'nav-head' }, 'Apps'),
      link(hashOf('home'), at.kind === 'home' || at.kind === 'dm', avatar(bot, 20), bot.real_name || bot.name, unread(store.dm) && at.kind !== 'dm'),
      h('p', { class: 'presence' + (store.sockets ? ' on' : ''), id: 'presence' }, h('i'), store.sockets ? `Connected, ${store.sockets} socket${store.sockets > 1 ? 's' : ''}` : 'Not connected')),
    h('div', { class: 'side-foot' }, 'Nothing here leaves this machine.'));
  if (focused) el.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

export function userSwitch(change) {
  const people = [...store.users.values()].filter((u) => !u.is_bot);
  const el = h('button', { type: 'button', class: 'you', id: 'you', 'aria-haspopup': 'menu', 'aria-expanded': 'false', 'aria-label': `You are ${store.me.name}. Switch user`,
    onclick: () => menu(el, people.map((u) => ({ text: u.real_name, lead: avatar(u, 26), checked: u.id === store.me.id,
      sub: [u.name, u.tz, (u.is_restricted || u.is_ultra_restricted) && 'guest', u.deleted && 'deactivated'].filter(Boolean).join(' · '), run: () => change(u) })), 'Switch user') },
  avatar(store.me, 26), h('span', {}, h('span', { class: 'you-are' }, 'You are: '), h('b', {}, store.me.name)), icon('down', 14));
  return el;
}

