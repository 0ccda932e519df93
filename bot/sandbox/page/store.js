// store.js: what the page knows, and its only ways to the server.

export const store = {
  me: null, users: new Map(), channels: [], groups: new Map(), app: {}, team: {}, dm: '',
  messages: new Map(), // "channel/ts" -> message
  read: new Map(),     // channel -> newest ts seen
  emoji: {}, sockets: 0, skew: 0, view: { kind: 'channel', id: '' }, thread: '',
};

export async function post(name, body) {
  const res = await fetch('/_ctl/' + name, {
    method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: store.me.id, ...body }),
  });
  return res.json();
}

export async function get(name) {
  const res = await fetch('/_ctl/' + name);
  return res.json();
}

let asked = 0;

// loadState reads people and rooms. Of several answers on their way only the
// one asked for last counts.
export async function loadState(user) {
  const mine = ++asked;
  const st = await get('state?user=' + encodeURIComponent(user || ''));
  if (mine !== asked) return st;
  store.me = st.me;
  store.users = new Map(st.users.map((u) => [u.id, u]));
  store.groups = new Map(st.groups.map((g) => [g.id, g]));
  Object.assign(store, { channels: st.channels, app: st.app, team: st.team, dm: st.dm, sockets: st.sockets });
  store.skew = st.now - Date.now();
  return st;
}

// loadMessages reads all messages and returns the revision they belong to.
export async function loadMessages() {
  const me = store.me.id;
  const out = await get('messages?user=' + me);
  if (me === store.me.id) store.messages = new Map(out.messages.map((m) => [m.channel + '/' + m.ts, m]));
  return out.rev;
}

export function keep(m) {
  const key = m.channel + '/' + m.ts;
  if (m.deleted) store.messages.delete(key);
  else store.messages.set(key, m);
}

export const byTs = (a, b) => (a.ts < b.ts ? -1 : 1);

// roots are what the channel itself shows; replies belong to the thread.
export function roots(channel) {
  return [...store.messages.values()].filter((m) => m.channel === channel &&
    (!m.thread_ts || m.thread_ts === m.ts || m.subtype === 'thread_broadcast')).sort(byTs);
}

export function replies(channel, ts) {
  return [...store.messages.values()].filter((m) => m.channel === channel && m.thread_ts === ts && m.ts !== ts).sort(byTs);
}

export function userOf(id) {
  if (id === 'USLACKBOT') return { id, name: 'slackbot', real_name: 'Slackbot', is_bot: true };
  return store.users.get(id) || { id, name: id, real_name: id };
}

export const now = () => Date.now() + store.skew;
export const tsDate = (ts) => new Date(parseFloat(ts) * 1000);

export function format(date, options) {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: store.me.tz, ...options }).format(date);
  } catch {
    return new Intl.DateTimeFormat('en-GB', options).format(date);
  }
}

export const clock = (date) => format(date, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
export const dayKey = (date) => format(date, { year: 'numeric', month: '2-digit', day: '2-digit' });

export function dayName(date) {
  const today = dayKey(new Date(now())), d = dayKey(date);
  if (d === today) return 'Today';
  if (d === dayKey(new Date(now() - 864e5))) return 'Yesterday';
  return format(date, { weekday: 'long', day: 'numeric', month: 'long' });
}
