// confirm.js: the question before a button does what it says.
import { h } from './dom.js';
import { plain, textObject } from './mrkdwn.js';

// confirmDialog asks and resolves to yes or no; Escape and the cross mean no.
export function confirmDialog(c) {
  return new Promise((done) => {
    const end = (yes) => { dlg.close(); dlg.remove(); done(yes); };
    const yes = h('button', { type: 'button', class: `btn ${c.style === 'danger' ? 'danger' : 'primary'}`, onclick: () => end(true), data: { confirm: 'yes' } }, plain(c.confirm?.text || 'Yes'));
    const dlg = h('dialog', { class: 'dialog confirm', 'aria-labelledby': 'confirm-title', oncancel: (e) => { e.preventDefault(); end(false); } },
      h('h2', { id: 'confirm-title' }, plain(c.title?.text)), h('div', { class: 'dialog-body' }, textObject(c.text)),
      h('div', { class: 'dialog-foot' }, h('button', { type: 'button', class: 'btn', onclick: () => end(false), data: { confirm: 'no' } }, plain(c.deny?.text || 'Cancel')), yes));
    document.getElementById('overlays').append(dlg);
    dlg.showModal();
    yes.focus();
  });
}
