// Who a customer is: what WeChat tells of them, the remark in a name's place, their tags.
// Loaded when an agent asks for the first time.
//
// WeChat has all of it and is asked each time. What people wrote is text here, never markup.

const WORDS = {
  zh: {
    title: (id) => `客户 ${id} 的资料`, loading: '正在询问微信…', close: '关闭', saved: '已保存到微信。',
    name: '昵称', follows: '关注', since: (day) => `${day}起`, yes: '已关注', no: '未关注公众号，微信不提供资料。',
    came: '来源', code: '二维码场景', language: '微信语言', union: 'UnionID',
    remark: '备注', remark_how: '微信不提供昵称，可用备注代替。少于 30 个字符。', save: '保存',
    tags: '标签', fresh: '新标签', add: '添加',
    erase: '删除客户资料…',
  },
  en: {
    title: (id) => `Details of customer ${id}`, loading: 'Asking WeChat…', close: 'Close', saved: 'WeChat has it.',
    name: 'Name', follows: 'Follows', since: (day) => `since ${day}`, yes: 'yes', no: 'They do not follow the account: WeChat tells nothing of them.',
    came: 'How they came', code: 'Scene of the QR code', language: 'Language', union: 'Union id',
    remark: 'Remark', remark_how: 'WeChat tells no names: a remark may stand for one. Fewer than 30 characters.', save: 'Save',
    tags: 'Tags', fresh: 'New tag', add: 'Add',
    erase: 'Erase customer…',
  },
};
// WeChat's tags below this are no tags that people are given.
const GIVEN = 2;

function el(tag, props, ...children) {
  const { style, ...rest } = props;
  const node = Object.assign(document.createElement(tag), rest);
  Object.assign(node.style, style);
  node.append(...children.filter((child) => child));
  return node;
}

function language(code, lang) {
  try {
    return new Intl.DisplayNames(lang, { type: 'language' }).of(code.replace('_', '-'));
  } catch {
    return code;
  }
}

function day(time, zone, lang) {
  const form = (timeZone) => new Intl.DateTimeFormat(lang, { dateStyle: 'long', timeZone });
  try { return form(zone).format(Date.parse(time)); } catch { return form().format(Date.parse(time)); }
}

// A form of one line: a text under its label, and a button.
function line(id, label, value, most, button, how, send) {
  const hint = how && el('p', { id: `${id}How`, className: 'quiet' }, how);
  const text = el('input', { id, value, maxLength: most, autocomplete: 'off', dir: 'auto', style: { flex: '1', minWidth: '0' } });
  if (hint) text.setAttribute('aria-describedby', hint.id);
  const row = el('div', { style: { display: 'flex', gap: '8px' } }, text, el('button', {}, button));
  const form = el('form', { style: { marginTop: '14px' } }, el('label', { htmlFor: id }, el('b', {}, label)), row, hint);
  form.onsubmit = (e) => {
    e.preventDefault();
    send(text);
  };
  return form;
}

export async function show(id, talk, channels, lang, call) {
  const channel = channels.get(talk?.channel);
  const t = (key, ...args) => (args.length ? WORDS[lang][key](...args) : WORDS[lang][key]);
  const path = `conversations/${id}`;
  const { leaving } = talk ?? {};
  const status = el('p', { className: 'quiet', role: 'status' }, t('loading'));
  const problem = el('p', { className: 'problem', role: 'alert' });
  const body = el('div', {});
  const close = el('button', { type: 'button', autofocus: true, onclick: () => dialog.close() }, t('close'));
  const erase = el('button', { type: 'button', onclick: asks }, t('erase'));
  const dialog = el(
    'dialog', { style: { width: '92vw' } },
    el('h2', { id: 'peopleTitle' }, t('title', id.slice(0, 4))),
    body, status, problem, el('div', { className: 'choices' }, close, erase),
  );
  dialog.setAttribute('aria-labelledby', 'peopleTitle');

  // It goes with its conversation, and with the session of who has opened it.
  const app = document.getElementById('app');
  const out = new MutationObserver(() => app.hidden && dialog.close());
  out.observe(app, { attributes: true });
  const over = () => dialog.close();
  addEventListener('hashchange', over);
  dialog.onclose = () => {
    out.disconnect();
    removeEventListener('hashchange', over);
    dialog.remove();
  };
  document.body.append(dialog);
  dialog.showModal();

  let asked = false;
  // One change after another, so that WeChat has the last one last.
  let changes = Promise.resolve();
  function change(ask, undo = () => {}) {
    changes = changes.then(async () => {
      status.textContent = problem.textContent = '';
      try {
        await ask();
        status.textContent = t('saved');
      } catch (p) {
        undo();
        problem.textContent = p.message;
      }
    });
  }

  async function asks() {
    asked = true;
    erase.remove();
    status.textContent = problem.textContent = '';
    const m = await import('./erase.js');
    m.ask({ id, lang, call, body, problem, close, dialog, until: (time) => day(time, channel?.time_zone, lang) });
  }

  function facts(profile) {
    const { subscribe_time: time, subscribe_scene: scene } = profile;
    const list = el('dl', { style: { display: 'grid', gridTemplateColumns: 'max-content minmax(0, 1fr)', gap: '4px 14px', marginTop: '10px' } });
    for (const [key, value] of [
      ['name', profile.name],
      ['follows', time ? t('since', day(time, channel?.time_zone, lang)) : t('yes')],
      ['came', scene?.[lang]],
      ['code', profile.qr_scene],
      ['language', profile.language && language(profile.language, lang)],
      ['union', profile.union_id],
    ]) if (value) list.append(el('dt', { className: 'quiet' }, t(key)), el('dd', {}, el('bdi', {}, value)));
    return list;
  }

  function box(tag, mine) {
    const tick = el('input', { type: 'checkbox', checked: mine });
    tick.onchange = () => {
      const on = tick.checked;
      change(() => call('POST', `${path}/tags`, { [on ? 'add' : 'remove']: [tag.id] }), () => { tick.checked = !on; });
    };
    const style = { display: 'inline-flex', gap: '6px', alignItems: 'center', minHeight: '34px', marginInlineEnd: '16px' };
    return el('label', { style }, tick, el('bdi', {}, tag.name));
  }

  function tags(all, mine) {
    const boxes = el('div', {});
    boxes.append(...all.map((tag) => box(tag, mine.has(tag.id))));
    const group = el('fieldset', { style: { marginTop: '14px', padding: '0', border: '0', minWidth: '0' } }, el('legend', { style: { padding: '0' } }, el('b', {}, t('tags'))), boxes);
    const fresh = line('peopleTag', t('fresh'), '', 30, t('add'), '', (text) => change(async () => {
      const tag = await call('POST', `channels/${channel.id}/tags`, { name: text.value });
      text.value = '';
      const added = box(tag, false);
      boxes.append(added);
      await call('POST', `${path}/tags`, { add: [tag.id] });
      added.firstChild.checked = true;
    }));
    return [group, fresh];
  }

  try {
    const profile = await call('GET', `${path}/profile`);
    if (asked) return;
    status.textContent = '';
    const soon = leaving ? [el('p', {}, (await import('./erase.js')).leaves(leaving.cause, day(leaving.due, channel?.time_zone, lang), lang))] : [];
    if (!profile.subscribed) return body.append(el('p', {}, t('no')), ...soon);
    const remark = line('peopleRemark', t('remark'), profile.remark, 29, t('save'), t('remark_how'), (text) => change(() => call('PUT', `${path}/remark`, { remark: text.value.trim() })));
    body.append(facts(profile), ...soon, remark);
    if (!channel) return;
    const { tags: all } = await call('GET', `channels/${channel.id}/tags`);
    if (asked) return;
    body.append(...tags(all.filter((tag) => tag.id >= GIVEN), new Set(profile.tags.map((tag) => tag.id))));
  } catch (p) {
    status.textContent = '';
    problem.textContent = p.message;
  }
}
