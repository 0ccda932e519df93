// modal.js: the stack of modals, and the form both they and the Home tab are.
import { h, fill, icon, toast } from './dom.js';
import { store, post, get } from './store.js';
import { plain } from './mrkdwn.js';
import { blocks } from './blocks.js';

const host = () => document.getElementById('overlays');

// formContext is what blocks need inside a view.
export function formContext(view, kept) {
  const form = { fields: new Map(), kept };
  const values = () => {
    const out = {};
    for (const [key, get] of form.fields) {
      const [bid, aid] = key.split('\n');
      (out[bid] ||= {})[aid] = get();
    }
    return out;
  };
  return {
    form, values,
    async act(e, b, value, confirm) {
      const out = await post('click', { view_id: view.id, action_id: e.action_id, block_id: b.block_id, value, confirm, values: values() });
      if (out.error) toast(out.message || out.error);
    },
    suggest: (e, b, query) => post('suggest', { view_id: view.id, action_id: e.action_id, block_id: b.block_id, value: query }),
  };
}

const keptOf = (ctx) => new Map([...ctx.form.fields].map(([k, get]) => [k, get()]));

let shown = null; // { dlg, id, hash, ctx }

let asked = 0;

// showViews brings the screen in line with the person's stack of modals. An
// answer that was overtaken by a later question must not open what was closed.
export async function showViews() {
  const mine = ++asked;
  const out = await get('views/' + store.me.id);
  if (mine !== asked) return;
  const stack = out.views || [];
  const top = stack[stack.length - 1];
  if (!top) { hide(); return; }
  if (shown && shown.id === top.id && shown.hash === top.hash) return;
  const kept = shown && shown.id === top.id ? keptOf(shown.ctx) : undefined;
  if (!shown) open();
  draw(top, stack.length, kept);
}

function open() {
  const dlg = h('dialog', { class: 'dialog modal', oncancel: (e) => { e.preventDefault(); post('close_view', { view_id: shown.id }); } });
  host().append(dlg);
  shown = { dlg };
  dlg.showModal();
}

export function hide() {
  if (!shown) return;
  shown.dlg.close();
  shown.dlg.remove();
  shown = null;
}

function draw(v, depth, kept) {
  const ctx = formContext(v, kept);
  const same = shown.id === v.id;
  Object.assign(shown, { id: v.id, hash: v.hash, ctx });
  const body = h('div', { class: 'dialog-body' }, blocks(v.blocks, ctx));
  const error = h('div', { class: 'dialog-error', role: 'alert' });
  const submit = v.submit && h('button', { type: 'submit', class: 'btn primary', data: { submit: '1' } }, plain(v.submit.text));
  const send = async (ev) => {
    ev.preventDefault();
    if (!submit || submit.disabled) return;
    submit.disabled = true;
    submit.classList.add('busy');
    body.querySelectorAll('.in-error').forEach((e) => { e.textContent = ''; });
    error.textContent = '';
    const out = await post('submit_view', { view_id: v.id, values: ctx.values() });
    submit.disabled = false;
    submit.classList.remove('busy');
    mark(body, out.errors);
    if (out.user_visible || out.error) error.textContent = out.user_visible || out.message || out.error;
  };
  const form = h('form', { novalidate: true, onsubmit: send },
    h('header', { class: 'dialog-head' }, h('span', { class: 'app-mark' }), h('h2', { id: 'modal-title' }, plain(v.title?.text)),
      h('button', { type: 'button', class: 'ghost', 'aria-label': 'Close', onclick: () => post('close_view', { view_id: v.id, clear: true }) }, icon('close'))),
    body, error,
    h('footer', { class: 'dialog-foot' },
      h('button', { type: 'button', class: 'btn', onclick: () => post('close_view', { view_id: v.id }) }, depth > 1 && !v.close ? 'Back' : plain(v.close?.text || 'Cancel')), submit));
  form.addEventListener('keydown', (e) => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) send(e); });
  shown.dlg.setAttribute('aria-labelledby', 'modal-title');
  fill(shown.dlg, form);
  if (!same) (body.querySelector('[data-focus], input, textarea') || submit)?.focus();
}

function mark(body, errors) {
  let first;
  for (const [bid, text] of Object.entries(errors || {})) {
    const b = [...body.querySelectorAll('[data-block]')].find((e) => e.dataset.block === bid);
    const slot = b?.querySelector('.in-error');
    if (!slot) continue;
    slot.textContent = text;
    first ||= b.querySelector('input, textarea');
  }
  first?.focus();
}

let home = null, homeAsked = 0;

// drawHome puts a person's Home tab into el.
export async function drawHome(el) {
  const mine = ++homeAsked;
  const out = await get('home/' + store.me.id);
  if (mine !== homeAsked || store.view.kind !== 'home') return;
  const v = out.view;
  if (!v) {
    home = null;
    fill(el, h('div', { class: 'empty' }, h('div', { class: 'empty-art' }, icon('home', 40)), h('h2', {}, 'Nothing here yet'), h('p', {}, 'The app has not published a Home tab for you.')));
    return;
  }
  const kept = home && home.id === v.id ? keptOf(home.ctx) : undefined;
  const ctx = formContext(v, kept);
  home = { id: v.id, ctx };
  fill(el, h('div', { class: 'home' }, blocks(v.blocks, ctx)));
}
