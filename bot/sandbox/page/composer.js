// composer.js: the message box. Text that starts with / is a command.
import { h, icon, iconButton, menu, toast } from './dom.js';
import { store, post, userOf } from './store.js';

const drafts = new Map();

export function composer(channel, threadTS, id) {
  const key = channel.id + threadTS;
  const bot = userOf(store.app.user);
  const where = threadTS ? 'Reply…' : channel.isDM ? `Message ${bot.real_name}` : `Message #${channel.name}`;
  if (channel.is_archived) return h('div', { class: 'archived' }, 'This channel is archived. Nobody can post here.');
  const hint = h('div', { class: 'hints', id: id + '-hints', hidden: true });
  const box = h('textarea', { id, rows: '1', placeholder: where, 'aria-label': where, 'aria-describedby': hint.id, spellcheck: 'false' });
  const sendButton = h('button', { type: 'submit', class: 'send', 'aria-label': 'Send', title: 'Send' }, icon('send'));
  const short = !threadTS && store.app.shortcuts?.length && iconButton('bolt', 'Shortcuts', () => menu(short, store.app.shortcuts.map((s) => ({ text: s.name, sub: bot.real_name, lead: icon('bolt', 16),
    run: () => post('shortcut', { callback_id: s.callback_id }) })), 'Shortcuts'), { 'aria-haspopup': 'menu' });
  const form = h('form', { class: 'composer' }, hint, h('div', { class: 'composer-box' }, box, h('div', { class: 'composer-row' }, short || h('span'),
    h('span', { class: 'keys' }, h('kbd', {}, '/'), ' for commands'), sendButton)));

  const commands = () => [{ name: store.app.command, use: store.app.hint, who: bot.real_name },
    { name: '/invite', use: `@${bot.name}`, who: 'Add the app to this channel' }];
  function hints() {
    const text = box.value, typed = text.split(/\s/)[0];
    const fit = text.startsWith('/') ? commands().filter((c) => (/\s/.test(text) ? c.name === typed : c.name.startsWith(typed))) : [];
    hint.hidden = !fit.length;
    hint.replaceChildren(...fit.map((c) => h('button', { type: 'button', class: 'hint-row', tabindex: '-1', onpointerdown: (e) => { e.preventDefault(); box.value = c.name + ' '; grow(); } },
      h('b', {}, c.name), h('span', {}, c.use), h('small', {}, c.who))));
  }
  function grow() {
    box.style.height = 'auto';
    box.style.height = Math.min(box.scrollHeight, 220) + 'px';
    form.classList.toggle('ready', box.value.trim() !== '');
    drafts.set(key, box.value);
    hints();
  }
  async function send(e) {
    e?.preventDefault();
    const text = box.value.trim();
    if (!text) return;
    if (text.startsWith('/') && threadTS) { toast('Slash commands do not work in threads.'); return; }
    box.value = '';
    grow();
    const out = await run(channel, threadTS, text);
    if (out?.error) {
      toast(out.message || out.error);
      if (!box.value) { box.value = text; grow(); }
    }
  }
  form.addEventListener('submit', send);
  box.addEventListener('input', grow);
  box.addEventListener('blur', () => { hint.hidden = true; });
  box.addEventListener('focus', hints);
  box.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) send(e);
    if (e.key === 'Tab' && !e.shiftKey && box.value.startsWith('/') && !/\s/.test(box.value) && !hint.hidden) {
      e.preventDefault(); box.value = hint.querySelector('b').textContent + ' '; grow();
    }
    if (e.key === 'Escape') hint.hidden = true;
  });
  box.value = drafts.get(key) || '';
  queueMicrotask(grow);
  return form;
}

function run(channel, threadTS, text) {
  const [word] = text.split(/\s/);
  if (word === '/invite') return post('invite', { channel: channel.id });
  if (word.startsWith('/') && word.length > 1) return post('slash', { channel: channel.id, command: word, text: text.slice(word.length).trim() });
  return post('say', { channel: channel.id, thread_ts: threadTS, text });
}
