// A notice that an agent sends by hand: it needs no window. Loaded when it is asked for first.
//
// WeChat has the templates and is asked each time; nothing of them becomes markup.

import { dialog, el } from './compose.js';

const WORDS = {
  zh: {
    title: '发送通知', loading: '正在向微信查询模板…', none: '公众号没有可用的模板：请在微信公众平台添加。', choose: '模板',
    template: '模板消息', subscribe: '订阅通知', most: (n) => `最多 ${n} 个字符`, empty: '请填写每个字段。',
    how: '不受 48 小时窗口限制。订阅通知只能发给订阅过的客户。',
  },
  en: {
    title: 'Send a notice', loading: 'Asking WeChat for the templates…', none: 'The account has no templates: add one in WeChat’s console.', choose: 'Template',
    template: 'template message', subscribe: 'subscribe notification', most: (n) => `at most ${n} characters`, empty: 'Fill in every field.',
    how: 'It needs no window. A subscribe notification reaches who has asked for one.',
  },
};
// What WeChat takes in the fields of a subscribe notification.
const MOST = { thing: 20, number: 32, letter: 32, symbol: 5, character_string: 32, phone_number: 17, car_number: 8, name: 20, phrase: 5 };
const grid = { display: 'grid', gap: '6px' };

export async function write({ id, lang, call }) {
  const words = WORDS[lang];
  const body = el('div', { style: grid }, el('p', { className: 'quiet', role: 'status' }, words.loading));
  let chosen;
  let inputs = [];
  const { yes } = dialog(words.title, [body, el('p', { className: 'quiet' }, words.how)], async () => {
    const data = Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()]));
    if (Object.values(data).some((value) => !value)) throw new Error(words.empty);
    return { kind: chosen.kind, template_id: chosen.template_id, title: chosen.title.slice(0, 128), data };
  });
  yes.disabled = true;
  let all = [];
  let told = words.none;
  try {
    const { channel } = await call('GET', `conversations/${id}?limit=1`);
    const got = await call('GET', `channels/${channel}/templates`);
    all = ['template', 'subscribe'].flatMap((kind) => (got[kind] ?? []).map((one) => ({ ...one, kind })));
  } catch (p) {
    told = p.message;
  }
  if (!all.length) {
    body.replaceChildren(el('p', { className: 'problem', role: 'alert' }, told));
    return;
  }
  const select = el('select', { id: 'noticeTemplate' }, ...all.map((one, at) => el('option', { value: at }, `${one.title} · ${words[one.kind]}`)));
  const example = el('p', { className: 'quiet', style: { whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' } });
  const fields = el('div', { style: grid });
  const draw = () => {
    chosen = all[select.value];
    example.textContent = chosen.example;
    inputs = chosen.fields.map((name) => {
      const most = (chosen.kind === 'subscribe' && MOST[name.replace(/\d+$/, '')]) || 200;
      const left = el('small', { className: 'quiet' }, words.most(most));
      const input = el('input', { id: `notice-${name}`, name, dir: 'auto', autocomplete: 'off' });
      input.oninput = () => {
        const length = [...input.value].length;
        left.textContent = `${length}/${most}`;
        left.className = length > most ? 'problem' : 'quiet';
      };
      return Object.assign(input, { left });
    });
    fields.replaceChildren(...inputs.flatMap((input) => [el('label', { htmlFor: input.id }, input.name), input, input.left]));
  };
  select.onchange = draw;
  draw();
  body.replaceChildren(el('label', { htmlFor: select.id }, words.choose), select, example, fields);
  yes.disabled = false;
  (inputs[0] ?? select).focus();
}
