// Elements are made of text nodes and attributes; nothing is ever parsed as markup.

// h makes an element: h('p', {class: 'x', onclick: f}, 'text', child, …). Null and false children are left out.
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

const svgSpace = 'http://www.w3.org/2000/svg';

// svg is h for drawings.
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(svgSpace, tag), attributes, children);
}

function filled(el, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value);
    else el.setAttribute(name, value === true ? '' : value);
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return el;
}

// table makes a table of rows; right says which columns are numbers.
export function table(header, rows, right = []) {
  const cells = (tag, row) => row.map((c, i) => h(tag, { class: right[i] && 'number', scope: tag === 'th' && 'col' }, c));
  return h('div', { class: 'scroll' }, h('table', {},
    h('thead', {}, h('tr', {}, cells('th', header))),
    h('tbody', {}, rows.map((row) => h('tr', {}, cells('td', row))))));
}
