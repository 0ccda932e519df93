// dom.js: making elements. Text always goes in as text, never as markup, so
// nothing a bot or a person writes can become an element by itself.

export function h(tag, attrs, ...kids) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith('on')) el.addEventListener(k.slice(2), v);
    else if (k === 'class') el.className = v;
    else if (k === 'data') Object.assign(el.dataset, v);
    else if (k in el && typeof v !== 'string') el[k] = v;
    else el.setAttribute(k, v === true ? '' : v);
  }
  add(el, kids);
  return el;
}

export function add(el, kids) {
  for (const kid of [kids].flat(9)) {
    if (kid === null || kid === undefined || kid === false || kid === '') continue;
    el.append(kid instanceof Node ? kid : document.createTextNode(String(kid)));
  }
  return el;
}

export function fill(el, ...kids) {
  el.replaceChildren();
  return add(el, kids);
}

const paths = {
  hash: 'M9 3 7 21M17 3l-2 18M4 9h17M3 15h17',
  lock: 'M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3',
  menu: 'M4 7h16M4 12h16M4 17h16',
  close: 'M6 6l12 12M18 6 6 18',
  send: 'M4 12 3 4.500 21 12 3 19.500 4 12zm0 0h8',
  bolt: 'M13 3 5 13.500h6L10 21l9-11h-6.500L13 3z',
  eye: 'M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12zM12 14.800a2.800 2.800 0 1 0 0-5.600 2.800 2.800 0 0 0 0 5.600z',
  reply: 'M20 12a7.500 7.500 0 0 1-11.200 6.500L4 20l1.500-4.600A7.500 7.500 0 1 1 20 12z',
  smile: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.500 14.500s1.200 2 3.500 2 3.500-2 3.500-2M9 9.500v.01M15 9.500v.01',
  dots: 'M5.500 12h.01M12 12h.01M18.500 12h.01',
  down: 'M6 9.500l6 6 6-6',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  sun: 'M12 16.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9zM12 2v2.500M12 19.500V22M4.900 4.900l1.800 1.800M17.300 17.300l1.800 1.800M2 12h2.500M19.500 12H22M4.900 19.100l1.800-1.800M17.300 6.700l1.800-1.800',
  moon: 'M20 14.500A8.500 8.500 0 0 1 9.500 4 8.500 8.500 0 1 0 20 14.500z',
  people: 'M9 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM2.500 20a6.500 6.500 0 0 1 13 0M16 4.800a3.500 3.500 0 0 1 0 6.400M18 14.300a6.500 6.500 0 0 1 3.500 5.700',
  file: 'M6 3h8l4.500 4.500V21H6zM14 3v5h4.500',
  down2: 'M12 4v11m0 0 4.500-4.500M12 15l-4.500-4.500M5 20h14',
  home: 'M4 11 12 4l8 7v9h-5.500v-6h-5v6H4z',
};

export function icon(name, size = 18) {
  const ns = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(ns, 'svg');
  for (const [k, v] of Object.entries({ viewBox: '0 0 24 24', width: size, height: size, fill: 'none',
    stroke: 'currentColor', 'stroke-width': name === 'dots' ? 3 : 1.8, 'stroke-linecap': 'round',
    'stroke-linejoin': 'round', 'aria-hidden': 'true', class: 'icon' })) svg.setAttribute(k, v);
  const p = document.createElementNS(ns, 'path');
  p.setAttribute('d', paths[name]);
  svg.append(p);
  return svg;
}

// same says whether an element already shows what parts describe. Drawing it
// again would take focus and open menus away from people.
const shown = new WeakMap();
export function same(el, ...parts) {
  const sig = JSON.stringify(parts);
  if (shown.get(el) === sig) return true;
  shown.set(el, sig);
  return false;
}

// button with an icon and a spoken name
export function iconButton(name, label, onclick, extra = {}) {
  return h('button', { type: 'button', class: 'ghost', 'aria-label': label, title: label, onclick, ...extra }, icon(name));
}

let counter = 0;
export const uid = (p) => `${p}-${++counter}`;

// menu opens a small list below an element; arrows move, Escape closes.
export function menu(anchor, items, label) {
  document.querySelectorAll('.menu').forEach((m) => m.remove());
  const close = () => { box.remove(); document.removeEventListener('pointerdown', outside, true); anchor.setAttribute('aria-expanded', 'false'); };
  const outside = (e) => { if (!box.contains(e.target) && !anchor.contains(e.target)) close(); };
  const box = h('div', { class: 'menu', role: 'menu', 'aria-label': label }, items.map((it) => h('button', {
    type: 'button', role: it.checked === undefined ? 'menuitem' : 'menuitemradio', class: 'menu-item', tabindex: '-1',
    'aria-checked': it.checked === undefined ? null : String(it.checked),
    onclick: () => { close(); anchor.focus(); it.run(); } },
    it.lead, h('span', { class: 'menu-text' }, h('span', {}, it.text), it.sub && h('small', {}, it.sub)), it.checked && icon('check', 16))));
  const list = [...box.children];
  box.addEventListener('keydown', (e) => {
    const i = list.indexOf(document.activeElement);
    const go = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: list.length - 1 }[e.key];
    if (go !== undefined) { e.preventDefault(); list[(go + list.length) % list.length].focus(); }
    if (e.key === 'Escape' || e.key === 'Tab') { e.stopPropagation(); e.preventDefault(); close(); anchor.focus(); }
  });
  (anchor.closest('dialog') || document.getElementById('overlays')).append(box);
  const r = anchor.getBoundingClientRect(), w = box.offsetWidth, t = box.offsetHeight;
  box.style.left = `${Math.max(8, Math.min(r.left, innerWidth - w - 8))}px`;
  box.style.top = `${r.bottom + t + 8 > innerHeight ? Math.max(8, r.top - t - 4) : r.bottom + 4}px`;
  anchor.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  list[0]?.focus();
}

export function toast(text) {
  const el = h('div', { class: 'toast' }, text);
  const box = document.getElementById('toasts');
  box.append(el);
  if (box.matches(':popover-open')) box.hidePopover();
  box.showPopover(); // on top of an open dialog too
  setTimeout(() => { el.remove(); if (!box.children.length) box.hidePopover(); }, 6000);
}
