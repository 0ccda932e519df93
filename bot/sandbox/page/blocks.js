// blocks.js: Block Kit to elements. ctx.act(element, block, value) is what a
// press or a choice leads to; ctx.form is set inside a modal or Home tab.
import { h, icon } from './dom.js';
import { plain, textObject, emojiNode, mention, link, dateNode } from './mrkdwn.js';
import { markdown } from './markdown.js';
import { chart } from './chart.js';
import { element, input } from './inputs.js';

export function blocks(list, ctx) {
  return (list || []).map((b) => {
    const draw = kinds[b.type];
    const el = draw ? draw(b, ctx) : h('div', { class: 'unsupported' }, `This ${b.type} block cannot be shown here.`);
    el.classList.add('block', 'b-' + b.type);
    return el;
  });
}

const kinds = {
  section: (b, ctx) => h('div', {},
    h('div', { class: 'section-body' },
      b.text && h('div', { class: 'section-text' }, textObject(b.text)),
      b.fields && h('div', { class: 'fields' }, b.fields.map((f) => h('div', { class: 'field' }, textObject(f))))),
    b.accessory && h('div', { class: 'accessory' }, element(b.accessory, b, ctx))),
  header: (b) => h('h3', {}, textObject(b.text)),
  divider: () => h('hr'),
  context: (b) => h('div', {}, b.elements.map((e) => (e.type === 'image'
    ? h('img', { src: e.image_url, alt: e.alt_text, loading: 'lazy' }) : h('span', { class: 'ctx-text' }, textObject(e))))),
  actions: (b, ctx) => h('div', {}, b.elements.map((e) => element(e, b, ctx))),
  context_actions: (b, ctx) => h('div', {}, b.elements.map((e) => element(e, b, ctx))),
  input: (b, ctx) => input(b, ctx),
  image: (b) => h('figure', {}, b.title && h('figcaption', {}, textObject(b.title)),
    h('img', { src: b.image_url, alt: b.alt_text, loading: 'lazy' })),
  rich_text: (b) => h('div', {}, rich(b.elements)),
  markdown: (b) => h('div', { class: 'md' }, markdown(b.text)),
  table: (b) => table(b),
  data_visualization: (b) => chart(b),
};

export function rich(elements) {
  const out = [];
  for (const e of elements || []) {
    if (e.type === 'rich_text_section') out.push(h('div', { class: 'rt-section' }, leaves(e.elements)));
    else if (e.type === 'rich_text_preformatted') out.push(h('pre', {}, leaves(e.elements, true)));
    else if (e.type === 'rich_text_quote') out.push(h('blockquote', {}, leaves(e.elements)));
    else if (e.type === 'rich_text_list') {
      const attrs = { class: `rt-list indent-${e.indent || 0}` };
      if (e.style === 'ordered' && e.offset) attrs.start = String(e.offset + 1);
      out.push(h(e.style === 'ordered' ? 'ol' : 'ul', attrs, e.elements.map((li) => h('li', {}, leaves(li.elements)))));
    }
  }
  return out;
}

function leaves(list, pre) {
  return (list || []).map((l) => {
    switch (l.type) {
      case 'text': return styled(l, pre ? l.text : lines(l.text));
      case 'link': return styled(l, link(l.url, l.text || l.url));
      case 'emoji': return emojiNode(l.name);
      case 'user': return mention(l.user_id, 'user');
      case 'usergroup': return mention(l.usergroup_id, 'group');
      case 'channel': return mention(l.channel_id, 'channel');
      case 'broadcast': return mention(l.range, 'broadcast');
      case 'date': return dateNode(l.timestamp, l.format, l.fallback, l.url);
      case 'color': return h('span', { class: 'swatch' }, l.value);
      default: return null;
    }
  });
}

const lines = (t) => String(t).split('\n').map((p, i) => (i ? [h('br'), p] : p));

function styled(l, kids) {
  const s = l.style || {};
  let node = kids;
  if (s.code) node = h('code', {}, node);
  if (s.bold) node = h('strong', {}, node);
  if (s.italic) node = h('em', {}, node);
  if (s.strike) node = h('s', {}, node);
  if (s.underline) node = h('u', {}, node);
  return node;
}

function table(b) {
  const cols = b.column_settings || [];
  const cell = (c, i, tag) => {
    const s = cols[i] || {};
    const align = s.align || (c?.type === 'raw_number' ? 'right' : '');
    return h(tag, { class: [align && 'a-' + align, s.is_wrapped && 'wrap'].filter(Boolean).join(' ') || null, scope: tag === 'th' ? 'col' : null },
      !c ? '' : c.type === 'rich_text' ? rich(c.elements) : c.type === 'raw_number' ? String(c.text ?? c.value ?? '') : plain(c.text, false));
  };
  const [head, ...rows] = b.rows || [];
  return h('div', { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Table' }, h('table', { class: 'table' },
    h('thead', {}, h('tr', {}, (head || []).map((c, i) => cell(c, i, 'th')))),
    h('tbody', {}, rows.map((r) => h('tr', {}, r.map((c, i) => cell(c, i, 'td')))))));
}

export function files(list) {
  return (list || []).map((f) => {
    const kb = f.size < 1024 ? `${f.size} B` : f.size < 1048576 ? `${(f.size / 1024).toFixed(1)} KB` : `${(f.size / 1048576).toFixed(1)} MB`;
    if (/^image\//.test(f.mimetype)) {
      return h('figure', { class: 'file-image' }, h('figcaption', {}, f.title),
        h('a', { href: f.url_private, target: '_blank' }, h('img', { src: f.url_private, alt: f.alt_txt || f.title })));
    }
    return h('a', { class: 'file', href: f.url_private, target: '_blank' }, h('span', { class: 'file-icon' }, icon('file', 22)),
      h('span', {}, h('b', {}, f.title), h('small', {}, `${f.name} · ${kb}`)));
  });
}
