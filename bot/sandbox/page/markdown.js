// markdown.js: the "markdown" block, a small part of CommonMark.
import { h } from './dom.js';
import { link, plain } from './mrkdwn.js';

const leaf = /(`[^`]+`)|(\*\*[^*]+\*\*|__[^_]+__)|(\*[^*\s][^*]*\*|_[^_\s][^_]*_)|(~~[^~]+~~)|(\[[^\]]+\]\([^)\s]+\))|(https?:\/\/[^\s<>)]+)/;

function inline(s) {
  const out = [];
  for (let m; (m = leaf.exec(s));) {
    if (m.index) out.push(plain(s.slice(0, m.index)));
    const t = m[0];
    if (m[1]) out.push(h('code', {}, t.slice(1, -1)));
    else if (m[2]) out.push(h('strong', {}, inline(t.slice(2, -2))));
    else if (m[3]) out.push(h('em', {}, inline(t.slice(1, -1))));
    else if (m[4]) out.push(h('s', {}, inline(t.slice(2, -2))));
    else if (m[5]) { const [, label, url] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(t); out.push(link(url, inline(label))); }
    else out.push(link(t, t));
    s = s.slice(m.index + t.length);
  }
  if (s) out.push(plain(s));
  return out;
}

const row = (l) => l.trim().replace(/^\||\|$/g, '').split('|').map((c) => c.trim());

export function markdown(src) {
  const lines = String(src || '').split('\n'), out = [];
  for (let i = 0; i < lines.length;) {
    const l = lines[i];
    let m;
    if (!l.trim()) { i++; continue; }
    if ((m = /^```/.exec(l))) {
      const body = [];
      for (i++; i < lines.length && !/^```/.test(lines[i]); i++) body.push(lines[i]);
      i++;
      out.push(h('pre', {}, body.join('\n')));
    } else if ((m = /^(#{1,6})\s+(.*)$/.exec(l))) {
      out.push(h('h' + Math.min(6, m[1].length + 2), { class: 'md-h md-h' + m[1].length }, inline(m[2]))); i++;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(l)) { out.push(h('hr')); i++; }
    else if (/^>/.test(l)) {
      const body = [];
      for (; i < lines.length && /^>/.test(lines[i]); i++) body.push(lines[i].replace(/^> ?/, ''));
      out.push(h('blockquote', {}, markdown(body.join('\n'))));
    } else if ((m = /^\s*([-*+]|\d+[.)])\s+/.exec(l))) {
      const ordered = /\d/.test(m[1]), items = [];
      for (let k; i < lines.length && (k = /^\s*([-*+]|\d+[.)])\s+(.*)$/.exec(lines[i])); i++) items.push(h('li', {}, inline(k[2])));
      out.push(h(ordered ? 'ol' : 'ul', {}, items));
    } else if (/\|/.test(l) && /^[\s|:-]+$/.test(lines[i + 1] || '')) {
      const head = row(l), body = [];
      for (i += 2; i < lines.length && /\|/.test(lines[i]); i++) body.push(row(lines[i]));
      out.push(h('div', { class: 'table-wrap' }, h('table', { class: 'table' },
        h('thead', {}, h('tr', {}, head.map((c) => h('th', { scope: 'col' }, inline(c))))),
        h('tbody', {}, body.map((r) => h('tr', {}, r.map((c) => h('td', {}, inline(c)))))))));
    } else {
      const body = [];
      for (; i < lines.length && lines[i].trim() && !/^(```|#{1,6}\s|>|\s*([-*+]|\d+[.)])\s)/.test(lines[i]); i++) body.push(lines[i]);
      out.push(h('p', {}, body.map((t, n) => [n ? h('br') : null, inline(t)])));
    }
  }
  return out;
}
