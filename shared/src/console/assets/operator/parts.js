
let serial = 0;

// A text that is to be copied. A secret may be made anew and written over.
function copyable(what, value, { make, help } = {}) {
  const id = `x${serial += 1}`;
  const input = el('input', { id, value, readOnly: !make, autocomplete: 'off', spellcheck: false, autocapitalize: 'off' });
  input.className = 'code';
  if (!make) input.onfocus = () => input.select();
  const copies = el('button', { type: 'button', t: 'copy', label: () => t('copy_it', words(what)) });
  copies.onclick = () => copy(input, what, copies);
  const fault = el('p.problem', { id: `${id}-p`, role: 'alert' });
  input.setAttribute('aria-describedby', `${id}-p`);
  const node = el('div.field', {},
    el('label', { htmlFor: id, t: what }), help && el('p.quiet', { t: help }),
    el('div.copyable', {}, input, copies, make && el('button', { type: 'button', t: 'fresh', label: () => t('colon', t('fresh'), words(what)), onclick: () => { input.value = make(); } })),
    fault);
  return Object.assign(node, { input, fault });
}

function field(what, input, help) {
  const id = `x${serial += 1}`;
  const fault = el('p.problem', { id: `${id}-p`, role: 'alert' });
  const hint = el('p.quiet', { id: `${id}-h` });
  if (help) tell(hint, help);
  input.id = id;
  input.setAttribute('aria-describedby', `${id}-h ${id}-p`);
  const node = el('div.field', {}, el('label', { htmlFor: id, t: what }), help && hint, input, fault);
  return Object.assign(node, { input, fault });
}
const text = (props) => el('input', { type: 'text', autocomplete: 'off', spellcheck: false, autocapitalize: 'off', ...props });
// Nothing to remember or mend.
const secretly = (props) => text({ ...props, className: 'code' });

// One of several, each with a line about it.
function choice(what, name, options, chosen, onchange) {
  const fault = el('p.problem', { role: 'alert' });
  const node = el('fieldset.field', {}, el('legend', { t: what }));
  for (const [value, key, about] of options) {
    const input = el('input', { type: 'radio', name, value, checked: value === chosen, onchange });
    node.append(el('label.radio', {}, input, el('span', {}, el('span', { t: key }), about && el('span.quiet', { t: about }))));
  }
  node.append(fault);
  const input = node.querySelector('input');
  return Object.assign(node, { input, fault, get: () => node.querySelector('input:checked')?.value });
}

// A form that sends itself once at a time. `fields` are those that the server
// names when it finds fault with them.
function form(fields, send, submit, ...children) {
  const said = el('p', { role: 'status' });
  const wrong = el('p.problem', { role: 'alert' });
  const go = el('button.main', { type: 'submit', t: submit });
  const node = el('form', { noValidate: true }, ...children, wrong, el('div.does', {}, go, said));
  node.onsubmit = async (e) => {
    e.preventDefault();
    if (go.disabled) return;
    for (const f of Object.values(fields)) show(f, null);
    tell(wrong, '');
    tell(said, 'saving');
    go.disabled = true;
    try {
      tell(said, (await send()) || '');
    } catch (p) {
      tell(said, '');
      const errors = p.errors || [];
      const ours = errors.filter((e) => fields[e.field]);
      const others = errors.filter((e) => !fields[e.field]);
      for (const e of ours) {
        show(fields[e.field], e.detail);
        const fold = fields[e.field].closest('details');
        if (fold) fold.open = true;
      }
      Object.values(fields).find((f) => f.fault.textContent)?.input.focus();
      if (others.length) tell(wrong, () => others.map((e) => t('colon', e.field, e.detail)).join(' '));
      else if (!ours.length) tell(wrong, () => p.message);
    }
    go.disabled = false;
  };
  function show(f, why) {
    tell(f.fault, why && (() => why));
    f.input.ariaInvalid = why ? 'true' : null;
  }
  return Object.assign(node, { go, said, wrong });
}
const faults = (field, how) => problem(400, words(how), { errors: [{ field, detail: words(how) }] });

// Asks before something is done. `act` may throw a problem, which is shown.
function ask({ title, about = [], yes, danger, act, confirm }) {
  const wrong = el('p.problem', { role: 'alert' });
  const no = el('button', { type: 'button', t: 'cancel', autofocus: !confirm });
  const go = el(danger ? 'button.main.danger' : 'button.main', { type: 'submit', t: yes });
  const typed = confirm && field(confirm.what, text({ autofocus: true }));
  const box = el('form', { noValidate: true },
    el('h2', { id: 'askTitle', t: title }),
    el('div', { id: 'askAbout' }, ...about.map((how) => el('p', { t: how }))),
    typed, wrong, el('div.choices', {}, no, go));
  ui.dialog.replaceChildren(box);
  no.onclick = () => ui.dialog.close();
  box.onsubmit = async (e) => {
    e.preventDefault();
    if (go.disabled) return;
    if (typed && typed.input.value.trim() !== confirm.text) {
      tell(typed.fault, confirm.wrong);
      return typed.input.focus();
    }
    go.disabled = true;
    tell(wrong, '');
    try {
      await act((how) => tell(wrong, how));
      if (ui.dialog.firstChild === box) ui.dialog.close();
    } catch (p) {
      tell(wrong, () => p.message);
      go.disabled = false;
    }
  };
  if (!ui.dialog.open) ui.dialog.showModal();
  (typed?.input || no).focus();
}

// Facts in two columns.
function facts(...rows) {
  return el('dl.facts', {}, ...rows.filter(Boolean).map(([what, ...value]) => el('div', {}, el('dt', { t: what }), el('dd', {}, ...value))));
}
const chip = (look, how) => el(`span.chip.${look}`, {}, icon(look), el('span', { t: how }));
const note = (look, ...children) => el(`div.note.${look}`, {}, icon(look), el('div', {}, ...children));

// Makes the children of `parent` those of `items`: nodes that say the same stay,
// with the focus that is in them.
function sync(parent, items, draw) {
  const had = new Map([...parent.children].map((node) => [node.dataset.id, node]));
  const focused = document.activeElement;
  const before = parent.contains(focused) && [focused.closest('[data-id]')?.dataset.id, focused.dataset.do];
  const nodes = items.map((item) => {
    const drawn = JSON.stringify(item);
    const old = had.get(item.id);
    if (old?.drawn === drawn) return old;
    const node = draw(item);
    node.dataset.id = item.id;
    node.drawn = drawn;
    return node;
  });
  if (nodes.length !== parent.children.length || nodes.some((node, i) => node !== parent.children[i])) parent.replaceChildren(...nodes);
  if (before && document.activeElement !== focused) {
    const row = nodes.find((node) => node.dataset.id === before[0]);
    (row?.querySelector(`[data-do="${before[1]}"]`) || row?.querySelector('a, button'))?.focus({ preventScroll: true });
  }
}

// Rows under headings; on a narrow page a card each.
function table(heads, rows = []) {
  const body = el('tbody', { role: 'rowgroup' });
  const node = el('table', { role: 'table' }, el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' },
    ...heads.map((head) => (head ? el('th', { scope: 'col', role: 'columnheader', t: head }) : el('td', { role: 'cell' }))))), body);
  const draw = ({ cells }) => el('tr', { role: 'row' }, ...cells.map((cell, i) => el('td', { role: 'cell' },
    heads[i] && el('span.head', { t: heads[i], 'aria-hidden': 'true' }), cell)));
  const fill = (next, cells) => sync(body, next, (row) => draw({ cells: cells(row) }));
  for (const row of rows) body.append(draw(row));
  return Object.assign(node, { fill });
}

// A channel as it is now. Where there is none its page says so, and nothing more.
async function channelOf(id) {
  try {
    return await call('GET', `channels/${id}`);
  } catch (p) {
    if (p.status !== 404) throw p;
    heading('no_channel');
    ui.actions.replaceChildren();
    ui.body.replaceChildren(el('section.card.empty', {}, el('p', { t: ['no_channel_what', id] }), link('all_channels', '/console/channels', '.button.main')));
    page.load = async () => {};
    return null;
  }
}
const ways = (id, here) => el('nav.nav', { label: 'pages_of' }, ...['channel', 'menu', 'codes', 'notices', 'quota', 'events'].map((part) => el('a', {
  t: part, href: part === 'channel' ? pageOf(id) : `/console/channels/${id}/${part}`, ...(part === here && { 'aria-current': 'page' }),
})));
const alarmsOf = (c) => c.seen.alarms.map((alarm) => ({ id: alarm.code, alarm }));
const alarmNote = ({ alarm }) => note('warn', el('p', { t: () => alarm[lang] }));
