// mrkdwn.js: Slack's markup, as the live client draws it: *bold* _italic_ ~gone~
// `code` ```block``` > quote, <tokens>, :emoji:. Only text nodes are made.
import { h } from './dom.js';
import { store, userOf, format, clock, dayName } from './store.js';

const unescape = (s) => s.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

export function emojiNode(name) {
  const base = name.split('::')[0];
  const glyph = store.emoji[base];
  if (!glyph) return `:${name}:`;
  return h('span', { class: 'emoji', role: 'img', 'aria-label': base.replace(/_/g, ' '), title: `:${name}:` }, glyph);
}

export function plain(text, emoji = true) {
  const out = [];
  String(text || '').split(/(\n|:[a-z0-9_+'-]+:)/).forEach((part) => {
    if (part === '\n') out.push(h('br'));
    else if (emoji && /^:[a-z0-9_+'-]+:$/.test(part)) out.push(emojiNode(part.slice(1, -1)));
    else if (part) out.push(unescape(part));
  });
  return out;
}

export function mention(id, kind, label) {
  let name = label, cls = 'mention';
  if (kind === 'user') { name = '@' + userOf(id).name; if (id === store.me.id) cls += ' me'; }
  if (kind === 'group') name = '@' + (store.groups.get(id)?.handle || label?.replace(/^@/, '') || id);
  if (kind === 'channel') name = '#' + (store.channels.find((c) => c.id === id)?.name || label || id);
  if (kind === 'broadcast') { name = '@' + id; cls += ' me'; }
  if (kind === 'group' && store.groups.get(id)?.users.includes(store.me.id)) cls += ' me';
  return h('span', { class: cls }, name);
}

export function link(url, kids) {
  const safe = /^(https?|mailto):/i.test(url);
  return safe ? h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, kids) : h('span', {}, kids);
}

export function dateNode(unix, pattern, fallback, url) {
  const d = new Date(unix * 1000);
  const pretty = (long) => { const n = dayName(d); return /day$/.test(n) && !/ /.test(n) ? n.toLowerCase() : long; };
  const forms = {
    date: () => format(d, { day: 'numeric', month: 'long', year: 'numeric' }),
    date_long: () => format(d, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
    date_short: () => format(d, { day: 'numeric', month: 'short', year: 'numeric' }),
    date_num: () => format(d, { year: 'numeric', month: '2-digit', day: '2-digit' }).split('/').reverse().join('-'),
    time: () => clock(d), time_secs: () => format(d, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }),
    ago: () => { const m = Math.round((Date.now() + store.skew - d) / 60000); return m < 1 ? 'just now' : m < 60 ? `${m} min ago` : `${Math.round(m / 60)} h ago`; },
  };
  const text = pattern.replace(/\{(\w+)\}/g, (all, k) => {
    const long = k.replace('_pretty', '');
    if (k.endsWith('_pretty') && forms[long]) return pretty(forms[long]());
    return forms[k] ? forms[k]() : all;
  });
  const el = h('time', { datetime: isNaN(d) ? null : d.toISOString(), title: fallback || null }, isNaN(d) ? fallback : text);
  return url ? link(url, el) : el;
}

// token draws what stands between < and >.
function token(tok) {
  const bar = tok.indexOf('|');
  const name = bar < 0 ? tok : tok.slice(0, bar), label = bar < 0 ? '' : unescape(tok.slice(bar + 1));
  if (name[0] === '@') return mention(name.slice(1), 'user', label);
  if (name[0] === '#') return mention(name.slice(1), 'channel', label);
  if (name.startsWith('!subteam^')) return mention(name.slice(9), 'group', label);
  if (name.startsWith('!date^')) {
    const [, unix, pattern, url] = name.split('^');
    return dateNode(Number(unix), pattern || '', label, url);
  }
  if (/^!(here|channel|everyone)$/.test(name)) return mention(name.slice(1), 'broadcast');
  if (/^(https?|mailto):/.test(name)) return link(unescape(name), label || unescape(name).replace(/^mailto:/, ''));
  return '<' + unescape(tok) + '>';
}

const open = /[\s([{"'“‘—–\-*_~>|/:,.!]/, shut = /[\s)\]}"'”’—–\-*_~<|/:,.!?;]/;
const style = { '*': 'strong', '_': 'em', '~': 's' };

// inline draws one run of text.
export function inline(src, verbatim = false) {
  const out = [];
  let text = '';
  const flush = () => { if (text) out.push(...urls(text, verbatim)); text = ''; };
  for (let i = 0; i < src.length;) {
    const c = src[i];
    if (c === '<') {
      const end = src.indexOf('>', i);
      if (end > i + 1 && !src.slice(i + 1, end).includes('<')) { flush(); out.push(token(src.slice(i + 1, end))); i = end + 1; continue; }
    } else if (c === '`') {
      const end = src.indexOf('`', i + 1);
      if (end > i + 1 && !src.slice(i, end).includes('\n')) { flush(); out.push(h('code', {}, unescape(src.slice(i + 1, end)))); i = end + 1; continue; }
    } else if (c === '\n') { flush(); out.push(h('br')); i++; continue; }
    else if (c === ':') {
      const m = /^:([a-z0-9_+'-]+(?:::skin-tone-\d)?):/.exec(src.slice(i));
      if (m && store.emoji[m[1].split('::')[0]]) { flush(); out.push(emojiNode(m[1])); i += m[0].length; continue; }
    } else if (style[c] && (i === 0 || open.test(src[i - 1])) && src[i + 1] && !/\s/.test(src[i + 1])) {
      const end = closing(src, i, c);
      if (end > 0) { flush(); out.push(h(style[c], {}, inline(src.slice(i + 1, end), verbatim))); i = end + 1; continue; }
    }
    text += c; i++;
  }
  flush();
  return out;
}

function closing(src, from, c) {
  for (let j = from + 2; j < src.length && src[j] !== '\n'; j++) {
    if (src[j] === '`') { const e = src.indexOf('`', j + 1); if (e > 0) j = e; continue; }
    if (src[j] === c && !/\s/.test(src[j - 1]) && (j + 1 === src.length || shut.test(src[j + 1]))) return j;
  }
  return -1;
}

function urls(text, verbatim) {
  if (verbatim) return [unescape(text)];
  return text.split(/(https?:\/\/[^\s<>]+[^\s<>.,;:!?)\]'"])/).filter(Boolean)
    .map((p) => (/^https?:\/\//.test(p) ? link(unescape(p), unescape(p)) : unescape(p)));
}

// mrkdwn draws a whole text with its block parts.
export function mrkdwn(src, verbatim = false) {
  const out = [];
  String(src || '').split(/(```[\s\S]+?```)/).forEach((part, i) => {
    if (i % 2) { out.push(h('pre', {}, unescape(part.slice(3, -3).replace(/^\n|\n$/g, '')))); return; }
    let lines = [], quote = [];
    const endLines = () => { if (lines.length) out.push(...inline(lines.join('\n'), verbatim)); lines = []; };
    const endQuote = () => { if (quote.length) out.push(h('blockquote', {}, inline(quote.join('\n'), verbatim))); quote = []; };
    part.split('\n').forEach((line) => {
      const m = /^(?:&gt;|>) ?(.*)$/.exec(line);
      if (m) { endLines(); quote.push(m[1]); } else { endQuote(); lines.push(line); }
    });
    if (i > 0 && lines[0] === '') lines.shift();
    endLines(); endQuote();
  });
  return out;
}

export function textObject(o) {
  if (!o) return [];
  return o.type === 'mrkdwn' ? mrkdwn(o.text, o.verbatim) : plain(o.text, o.emoji !== false);
}
