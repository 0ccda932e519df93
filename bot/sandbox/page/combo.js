// combo.js: one select for all kinds: static, external (the app is asked while
// people type), people, channels; one choice or several. Follows the ARIA
// combobox pattern: arrows move, Enter takes, Escape closes, Backspace removes.
import { h, icon, uid } from './dom.js';
import { store } from './store.js';

function known(e) {
  if (e.type.endsWith('users_select')) return [...store.users.values()].map((u) => ({ text: '@' + u.name, sub: u.real_name, value: u.id }));
  if (/(channels|conversations)_select$/.test(e.type)) return store.channels.map((c) => ({ text: '#' + c.name, value: c.id }));
  const flat = (list, group) => (list || []).map((o) => ({ text: o.text.text, sub: o.description?.text, value: o.value, whole: o, group }));
  return e.option_groups ? e.option_groups.flatMap((g) => flat(g.options, g.label.text)) : flat(e.options);
}

function presets(e, all, kept) {
  if (kept !== undefined && kept !== null) return [kept].flat().map((v) => (typeof v === 'object' ? { text: v.text.text, value: v.value, whole: v } : all.find((o) => o.value === v))).filter(Boolean);
  const whole = [e.initial_option, ...(e.initial_options || [])].filter(Boolean);
  if (whole.length) return whole.map((o) => ({ text: o.text.text, value: o.value, whole: o }));
  const ids = [e.initial_user, e.initial_channel, e.initial_conversation, ...(e.initial_users || []), ...(e.initial_channels || []), ...(e.initial_conversations || [])].filter(Boolean);
  return ids.map((id) => all.find((o) => o.value === id)).filter(Boolean);
}

export function combo(e, multi, kept, suggest) {
  const external = e.type.endsWith('external_select');
  const all = known(e);
  let picked = presets(e, all, kept), shown = [], at = -1, asked = 0, timer = 0;
  const id = uid('combo');
  const box = h('input', { role: 'combobox', 'aria-expanded': 'false', 'aria-autocomplete': 'list', 'aria-controls': id, autocomplete: 'off', spellcheck: 'false',
    'aria-label': e.placeholder?.text || 'Choose' });
  const chips = h('span', { class: 'chips' });
  const list = h('div', { class: 'options', role: 'listbox', id, hidden: true, 'aria-multiselectable': multi ? 'true' : null });
  const wrap = h('div', { class: 'combo' + (multi ? ' multi' : '') }, h('div', { class: 'combo-box field-input', onclick: () => { box.focus(); open(); } }, chips, box, icon('down', 16)), list);

  const hint = () => (multi && picked.length ? '' : e.placeholder?.text || (multi ? 'Choose some' : 'Choose one'));
  function drawPicked() {
    chips.replaceChildren(...(multi ? picked.map((p) => h('span', { class: 'chip' }, p.text,
      h('button', { type: 'button', 'aria-label': 'Remove ' + p.text, onclick: (ev) => { ev.stopPropagation(); drop(p); } }, icon('close', 12)))) : []));
    box.placeholder = !multi && picked[0] ? picked[0].text : hint();
    box.classList.toggle('has', !multi && picked.length > 0);
    box.value = '';
  }
  const changed = () => wrap.dispatchEvent(new Event('change'));
  const drop = (p) => { picked = picked.filter((q) => q.value !== p.value); drawPicked(); draw(); changed(); };
  function take(o) {
    if (multi && picked.some((p) => p.value === o.value)) { drop(o); return; }
    if (multi && e.max_selected_items && picked.length >= e.max_selected_items) return;
    picked = multi ? [...picked, o] : [o];
    drawPicked(); changed();
    if (multi) draw(); else close();
  }
  function draw(note) {
    list.replaceChildren();
    let group;
    shown.forEach((o, i) => {
      if (o.group && o.group !== group) { group = o.group; list.append(h('div', { class: 'opt-group' }, group)); }
      list.append(h('div', { class: 'option' + (i === at ? ' at' : ''), role: 'option', id: `${id}-${i}`, 'aria-selected': String(picked.some((p) => p.value === o.value)),
        onpointerdown: (ev) => { ev.preventDefault(); take(o); } }, h('span', {}, o.text, o.sub && h('small', {}, o.sub)), picked.some((p) => p.value === o.value) && icon('check', 15)));
    });
    if (!shown.length) list.append(h('div', { class: 'opt-note' }, note || 'No matches'));
    box.setAttribute('aria-activedescendant', at >= 0 ? `${id}-${at}` : '');
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  }
  async function search() {
    const q = box.value.trim();
    if (!external) {
      const f = q.toLowerCase();
      shown = all.filter((o) => (o.text + ' ' + (o.sub || '')).toLowerCase().includes(f));
      at = q && shown.length ? 0 : -1;
      draw();
      return;
    }
    if (q.length < (e.min_query_length ?? 3)) { shown = []; draw(`Type at least ${e.min_query_length ?? 3} characters`); return; }
    const mine = ++asked;
    shown = []; draw('Searching…');
    const out = await suggest(q);
    if (mine !== asked) return;
    shown = (out.options || []).map((o) => ({ text: o.text.text, sub: o.description?.text, value: o.value, whole: o }));
    at = shown.length ? 0 : -1;
    draw(out.ok === false ? 'The app did not answer' : undefined);
  }
  function open() {
    if (!list.hidden) return;
    list.hidden = false;
    box.setAttribute('aria-expanded', 'true');
    search();
    const room = innerHeight - wrap.getBoundingClientRect().bottom;
    list.classList.toggle('up', room < 260 && wrap.getBoundingClientRect().top > 280);
  }
  function close() { list.hidden = true; at = -1; box.value = ''; box.setAttribute('aria-expanded', 'false'); }
  box.addEventListener('input', () => { open(); clearTimeout(timer); timer = setTimeout(search, external ? 180 : 0); });
  box.addEventListener('blur', () => setTimeout(close, 80));
  box.addEventListener('keydown', (ev) => {
    if (ev.key === 'ArrowDown' || ev.key === 'ArrowUp') {
      ev.preventDefault(); open();
      if (shown.length) { at = (at + (ev.key === 'ArrowDown' ? 1 : -1) + shown.length) % shown.length; draw(); }
    } else if (ev.key === 'Enter' && !list.hidden) { ev.preventDefault(); if (shown[at]) take(shown[at]); }
    else if (ev.key === 'Escape' && !list.hidden) { ev.preventDefault(); ev.stopPropagation(); close(); }
    else if (ev.key === 'Backspace' && multi && !box.value && picked.length) drop(picked[picked.length - 1]);
  });
  wrap.get = () => { const v = picked.map((p) => p.whole || p.value); return multi ? v : v[0] ?? null; };
  drawPicked();
  return wrap;
}
