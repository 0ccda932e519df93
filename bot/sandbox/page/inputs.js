// inputs.js: the interactive elements of Block Kit.
import { h, icon, menu, uid } from './dom.js';
import { textObject, plain } from './mrkdwn.js';
import { combo } from './combo.js';
import { confirmDialog } from './confirm.js';

const label = (o) => (o ? o.text : '');

// element draws one element of a section, an actions block or an input block.
export function element(e, b, ctx) {
  const draw = kinds[e.type];
  if (!draw) return h('span', { class: 'unsupported' }, e.type);
  const el = draw(e, b, ctx);
  el.dataset.action = e.action_id || '';
  return el;
}

// press runs an action behind its confirm dialog and shows that it is under way.
async function press(el, e, b, ctx, value) {
  let confirm;
  if (e.confirm) {
    confirm = await confirmDialog(e.confirm);
    if (!confirm) return;
  }
  el.classList.add('busy');
  el.setAttribute('aria-busy', 'true');
  try { await ctx.act(e, b, value, confirm); } finally {
    el.classList.remove('busy');
    el.removeAttribute('aria-busy');
  }
}

// choice keeps a value for the form and tells the app where it wants to know.
function choice(el, e, b, ctx, get) {
  ctx.form?.fields.set(b.block_id + '\n' + e.action_id, get);
  if (b.type !== 'input' || b.dispatch_action) el.addEventListener('change', () => press(el, e, b, ctx, get()));
}

const start = (e, b, ctx, fallback) => ctx.form?.kept?.get(b.block_id + '\n' + e.action_id) ?? fallback;

const kinds = {
  button(e, b, ctx) {
    const attrs = { type: 'button', class: `btn ${e.style || ''}`, 'aria-label': e.accessibility_label };
    if (e.url) {
      return h('a', { ...attrs, type: null, href: e.url, target: '_blank', rel: 'noopener noreferrer', onclick: () => ctx.act(e, b) }, textObject(e.text));
    }
    const el = h('button', { ...attrs, onclick: () => { if (!el.classList.contains('busy')) press(el, e, b, ctx); } }, textObject(e.text));
    return el;
  },
  overflow(e, b, ctx) {
    const el = h('button', { type: 'button', class: 'btn square', 'aria-label': 'More', 'aria-haspopup': 'menu', 'aria-expanded': 'false',
      onclick: () => menu(el, e.options.map((o) => ({ text: label(o.text), sub: label(o.description), run: () => press(el, e, b, ctx, o.value) })), 'More') }, icon('dots'));
    return el;
  },
  image: (e) => h('img', { class: 'thumb', src: e.image_url, alt: e.alt_text, loading: 'lazy' }),
  checkboxes: (e, b, ctx) => boxes(e, b, ctx, 'checkbox'),
  radio_buttons: (e, b, ctx) => boxes(e, b, ctx, 'radio'),
  datepicker: (e, b, ctx) => native(e, b, ctx, 'date', e.initial_date),
  timepicker: (e, b, ctx) => native(e, b, ctx, 'time', e.initial_time),
  datetimepicker(e, b, ctx) {
    const iso = e.initial_date_time ? new Date(e.initial_date_time * 1000).toISOString().slice(0, 16) : '';
    const el = h('input', { type: 'datetime-local', class: 'field-input', 'aria-label': 'Date and time' });
    el.value = start(e, b, ctx, iso);
    choice(el, e, b, ctx, () => (el.value ? Math.floor(new Date(el.value + 'Z') / 1000) : null));
    return el;
  },
  plain_text_input(e, b, ctx) {
    const el = h(e.multiline ? 'textarea' : 'input', { class: 'field-input', placeholder: label(e.placeholder), rows: e.multiline ? '4' : null,
      maxlength: e.max_length ? String(e.max_length) : null, autocomplete: 'off' });
    el.value = start(e, b, ctx, e.initial_value || '');
    if (e.focus_on_load) el.dataset.focus = '1';
    choice(el, e, b, ctx, () => el.value);
    return el;
  },
  number_input: (e, b, ctx) => native(e, b, ctx, 'number', e.initial_value),
  email_text_input: (e, b, ctx) => native(e, b, ctx, 'email', e.initial_value),
  url_text_input: (e, b, ctx) => native(e, b, ctx, 'url', e.initial_value),
};

for (const base of ['static_select', 'external_select', 'users_select', 'channels_select', 'conversations_select']) {
  kinds[base] = (e, b, ctx) => select(e, b, ctx, false);
  kinds['multi_' + base] = (e, b, ctx) => select(e, b, ctx, true);
}

function native(e, b, ctx, type, initial) {
  const el = h('input', { type, class: 'field-input', placeholder: label(e.placeholder), 'aria-label': type === 'date' ? 'Date' : type === 'time' ? 'Time' : null,
    step: e.is_decimal_allowed ? 'any' : null, min: e.min_value, max: e.max_value });
  el.value = start(e, b, ctx, initial || '');
  choice(el, e, b, ctx, () => el.value);
  return el;
}

function boxes(e, b, ctx, type) {
  const name = uid('group');
  const preset = start(e, b, ctx, null) ?? (type === 'radio' ? e.initial_option?.value : (e.initial_options || []).map((o) => o.value));
  const on = (o) => (type === 'radio' ? preset === o.value : preset.includes(o.value));
  const el = h('div', { class: 'boxes', role: type === 'radio' ? 'radiogroup' : 'group' }, e.options.map((o) => h('label', { class: 'box' },
    h('input', { type, name, value: o.value, checked: on(o) }),
    h('span', {}, textObject(o.text), o.description && h('small', {}, textObject(o.description))))));
  const picked = () => [...el.querySelectorAll('input:checked')].map((i) => i.value);
  choice(el, e, b, ctx, () => (type === 'radio' ? picked()[0] ?? null : picked()));
  return el;
}

function select(e, b, ctx, multi) {
  const wrap = combo(e, multi, start(e, b, ctx, undefined), (query) => ctx.suggest(e, b, query));
  choice(wrap, e, b, ctx, wrap.get);
  return wrap;
}

// input draws an input block: label, element, hint, room for an error.
export function input(b, ctx) {
  const el = element(b.element, b, ctx);
  const id = uid('in'), err = uid('err');
  const box = el.matches('input,textarea') ? el : el.querySelector('input[role=combobox]');
  if (box) box.id = id;
  const target = box || el;
  target.setAttribute('aria-describedby', err);
  const name = [plain(b.label.text), b.optional && h('span', { class: 'optional' }, ' (optional)')];
  const lab = h('label', { class: 'in-label', for: box ? id : null, id: id + 'l' }, name);
  if (!box) el.setAttribute('aria-labelledby', id + 'l');
  return h('div', { data: { block: b.block_id } }, lab, el,
    b.hint && h('div', { class: 'hint' }, textObject(b.hint)), h('div', { class: 'in-error', id: err, role: 'alert' }));
}
