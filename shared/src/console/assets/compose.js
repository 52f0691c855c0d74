// What agents send beside words: files (chosen, dropped, pasted) and questions with choices;
// and that they type. Loaded when a conversation is opened first.
//
// What a file is, the server says by its bytes; nothing of it becomes markup.

const WORDS = {
  zh: {
    notice: '发送通知', attach: '发送文件', ask: '提问并给出选项', send: '发送', cancel: '取消', file: '发送这个文件？', drop: '松开即可添加文件',
    image: '图片', voice: '语音', video: '视频', document: '文档：客户收到下载链接',
    unknown: '不支持此格式：可发送图片、语音、视频、PDF、Office、ZIP、TXT、CSV。', empty: '文件为空。', large: '文件超过 20 MB：请发送较小的文件。',
    sending: '正在发送…', broken: '上传中断：请重试。', question: '问题', choice: (n) => `选项 ${n}`, more: '添加选项',
    needed: '请填写问题和至少一个选项。', after: '客户点选后，您会看到其选择；点选不会恢复 5 条额度。',
  },
  en: {
    notice: 'Send a notice', attach: 'Send a file', ask: 'Ask with choices', send: 'Send', cancel: 'Cancel', file: 'Send this file?', drop: 'Let go to add the file',
    image: 'picture', voice: 'voice', video: 'film', document: 'document: the customer gets a link to it',
    unknown: 'This format cannot be sent. Pictures, voice, films, PDF, Office, ZIP, TXT and CSV can.', empty: 'The file is empty.', large: 'The file has more than 20 MB: send a smaller one.',
    sending: 'Sending…', broken: 'The upload broke off: try again.', question: 'Question', choice: (n) => `Choice ${n}`, more: 'Add a choice',
    needed: 'Write the question and one choice at least.', after: 'You see what the customer taps; a tap does not bring back the five messages.',
  },
};
const MB = 2 ** 20;
// What WeChat has a message for; what is larger goes as a document.
const SORTS = [
  ['image', /\.(jpe?g|png|gif)$/i, 10 * MB], ['voice', /\.(amr|mp3)$/i, 2 * MB], ['video', /\.mp4$/i, 10 * MB],
  ['file', /\.(jpe?g|png|gif|webp|bmp|hei[cf]|amr|mp3|m4a|wav|ogg|mp4|mov|webm|pdf|docx?|xlsx?|pptx?|zip|txt|csv)$/i, 20 * MB],
];
const MOST = 10;
const TYPED = 10e3;

const attach = document.getElementById('attach');
const ask = document.getElementById('ask');
const text = document.getElementById('text');
const talk = document.querySelector('.talk');
let at = {};
let typed = 0;

export function el(tag, { style, ...props } = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  Object.assign(node.style, style);
  node.append(...children.filter(Boolean));
  return node;
}

// A dialog with a form in it. `send` is tried until it succeeds; it is given the same id each time.
export function dialog(title, body, send) {
  const words = WORDS[at.lang];
  const { id, call, poke, now, uuid } = at;
  const message = { id: uuid() };
  const problem = el('p', { className: 'problem', role: 'alert' });
  const no = el('button', { type: 'button' }, words.cancel);
  const yes = el('button', { className: 'main' }, words.send);
  const heading = el('h2', { id: 'composeTitle' }, title);
  const form = el('form', { style: { display: 'grid', gap: '10px' } }, heading, ...body, problem, el('div', { className: 'choices' }, no, yes));
  const box = el('dialog', {}, form);
  box.setAttribute('aria-labelledby', heading.id);
  no.onclick = () => box.close();
  box.onclose = () => { box.remove(); text.focus(); };
  form.onsubmit = async (e) => {
    e.preventDefault();
    yes.disabled = true;
    problem.textContent = '';
    yes.textContent = words.sending;
    message.time ??= new Date(now()).toISOString();
    try {
      const wanted = await send(`conversations/${id}`, call);
      await call('POST', `conversations/${id}/messages`, { ...message, ...wanted });
      box.close();
      poke();
    } catch (p) {
      problem.textContent = p.message;
    }
    yes.disabled = false;
    yes.textContent = words.send;
  };
  document.body.append(box);
  box.showModal();
  return { box, yes };
}

function offer(file) {
  const words = WORDS[at.lang];
  // What is pasted may have no name of its own.
  const name = /\.\w+$/.test(file.name) ? file.name : `${file.name || 'file'}.${file.type.split('/')[1] || ''}`;
  const named = SORTS.filter(([, form]) => form.test(name));
  const [kind] = named.find(([, , most]) => file.size <= most) ?? [];
  const size = new Intl.NumberFormat(at.lang, { style: 'unit', unit: file.size < 1e6 ? 'kilobyte' : 'megabyte', maximumFractionDigits: 1 })
    .format(file.size / (file.size < 1e6 ? 1e3 : 1e6));
  const wrong = (!named.length && words.unknown) || (!file.size && words.empty) || (!kind && words.large);
  const what = wrong || words[kind === 'file' ? 'document' : kind];
  const picture = kind === 'image' && el('img', { alt: name, style: { maxWidth: '100%', maxHeight: '40vh', justifySelf: 'center' } });
  if (picture) {
    const reader = new FileReader();
    reader.onload = () => { picture.src = reader.result; };
    reader.readAsDataURL(file);
  }
  let brought;
  const { yes } = dialog(words.file, [
    picture, el('p', { dir: 'auto', style: { overflowWrap: 'anywhere' } }, el('b', {}, name), ` · ${size}`),
    el('p', { className: wrong ? 'problem' : 'quiet' }, what),
  ], async (path, call) => {
    if (!brought) {
      const begun = await call('POST', `${path}/files`, { name: name.slice(-128), size: file.size });
      const { url, method, headers } = begun.upload;
      const put = await fetch(url, { method, headers, body: file }).catch(() => ({}));
      if (!put.ok) throw new Error(words.broken);
      brought = begun.file;
    }
    return { kind, media: { file: brought }, ...(kind === 'file' && { name: name.slice(-128) }) };
  });
  yes.disabled = Boolean(wrong);
}

function question() {
  const words = WORDS[at.lang];
  const asked = el('textarea', { id: 'asked', rows: 2, maxLength: 600, value: text.value, dir: 'auto' });
  const list = el('div', { style: { display: 'grid', gap: '6px' } });
  const more = el('button', { type: 'button' }, words.more);
  const add = () => {
    const input = el('input', { maxLength: 64, dir: 'auto', ariaLabel: words.choice(list.children.length + 1) });
    list.append(input);
    more.hidden = list.children.length >= MOST;
    return input;
  };
  add();
  add();
  more.onclick = () => add().focus();
  dialog(words.ask, [
    el('label', { htmlFor: asked.id }, words.question), asked, list, more, el('p', { className: 'quiet' }, words.after),
  ], async () => {
    const choices = [...list.children].map((input) => input.value.trim()).filter(Boolean)
      .map((choice, index) => ({ id: String(index + 1), text: choice }));
    if (!asked.value.trim() || !choices.length) throw new Error(words.needed);
    return { kind: 'choice', text: asked.value.trim(), choices };
  });
  asked.focus();
}

attach.onclick = () => {
  const input = el('input', { type: 'file' });
  input.onchange = () => input.files[0] && offer(input.files[0]);
  input.click();
};
ask.onclick = question;
// A notice needs no window: it is offered where nothing else can be sent.
const notice = el('button', { id: 'notice', type: 'button', hidden: true, style: { justifySelf: 'start' }, onclick: () => import('./notices.js').then((n) => n.write(at)) });
document.getElementById('writing').before(notice);
text.addEventListener('paste', (e) => {
  const [file] = e.clipboardData.files;
  if (!file || attach.disabled) return;
  e.preventDefault();
  offer(file);
});
const carries = (e) => !attach.disabled && !document.querySelector('dialog[open]') && e.dataTransfer?.types.includes('Files');
talk.ondragover = (e) => {
  if (!carries(e)) return;
  e.preventDefault();
  talk.style.outline = '3px dashed';
  talk.style.outlineOffset = '-6px';
};
talk.ondragleave = () => { talk.style.outline = ''; };
talk.ondrop = (e) => {
  talk.style.outline = '';
  if (!carries(e)) return;
  e.preventDefault();
  if (e.dataTransfer.files[0]) offer(e.dataTransfer.files[0]);
};
// It may be lost; WeChat shows it for 15 seconds.
text.addEventListener('input', () => {
  if (attach.disabled || !text.value || Date.now() - typed < TYPED) return;
  typed = Date.now();
  at.call('POST', `conversations/${at.id}/typing`, { on: true }).catch(() => {});
});

// The conversation that is open, and whether it can be answered.
export function show(id, lang, call, poke, now, uuid, stop) {
  if (at.id !== id) typed = 0;
  at = { id, lang, call, poke, now, uuid };
  for (const [button, name] of [[attach, 'attach'], [ask, 'ask']]) {
    button.disabled = Boolean(stop);
    button.ariaLabel = button.title = WORDS[lang][name];
  }
  notice.textContent = WORDS[lang].notice;
  // A draft that is too long stops, too; another desk's conversation has no place to write.
  notice.hidden = !stop || text.value.length > 3e3 || text.parentNode.hidden;
}
