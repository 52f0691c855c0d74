// The inbox.
//
// What customers write is text here, never markup. Reads run one after another:
// what is shown last was read last. An answer keeps its id and time until the
// server took it: to send it again is harmless.

const WORDS = {
  zh: {
    other: 'English', sign_in: '登录', sign_out: '退出登录', gate_title: '登录 Magpie', admin_key: '管理密钥',
    gate_how: '请打开 Magpie 启动时显示的一次性链接，或输入管理密钥。',
    bad_link: '此链接已使用过或已过期：请使用新链接，或输入管理密钥。', bad_key: '密钥不正确：请核对后重试。',
    sessions: '会话列表', open_ones: '进行中', all_ones: '全部', channels: '渠道', health: '运行状态', all_channels: '全部渠道',
    more: '显示更多', older: '更早的消息', back: '返回会话列表', loading: '加载中…',
    customer: (id) => `客户 ${id}`, unread: '条未读', answered: '我方回复：', ended: '已结束', end: '结束会话', details: '客户资料',
    none: '这里没有会话。客户发来消息后会显示在这里。', no_channel: '尚未接入渠道：请联系管理员。',
    choose: '请选择一个会话。', gone: '找不到该会话。',
    end_title: '结束此会话？', cancel: '取消', end_what: '客户再次发言时会开始新的会话。',
    messages: '消息', answer: '回复客户', answer_hint: 'Enter 发送，Shift+Enter 换行', send: '发送',
    retry: '重试', again: '重新编辑', jump: '新消息', auto: '自动', says: (who, text) => `${who}：${text}`,
    sending: '发送中', held: '等待发送', delivered: '已送达', failed: '发送失败', uncertain: '未确认',
    hours: (n) => `${n} 小时`, minutes: (n) => `${n} 分钟`,
    closes: (rest) => `${rest}后关闭`, window: '窗口', window_closed: '窗口已关闭', none_left: '条数已用完',
    bytes: (n) => `${n} 字节`, parts: (n) => `${n} 条消息`, left: (n) => `剩余 ${n} 条`,
    too_long: (most) => `内容过长：一次回复最多 5 条消息（约 ${most} 字节），请缩短后再发送。`,
    closed: (when) => `48 小时窗口已关闭${when && `（客户上次发言：${when}）`}。客户再次发言后即可回复，草稿会保留。`,
    will_hold: (need, left) => `需要 ${need}，本轮剩余 ${left} 条：发送后会等待，客户再次发言后自动发出。`,
    suspended: '渠道已暂停：恢复后发出回复。', other_desk: '此渠道的客户由其他客服系统接待，这里只能查看。',
    not_sent: (why) => `未发送：${why} 内容已保留。`,
    unreachable: '无法连接服务器。', offline: '连接中断，正在重试…', status: (n) => `服务器返回错误 ${n}。`,
  },
  en: {
    other: '中文', sign_in: 'Sign in', sign_out: 'Sign out', gate_title: 'Sign in to Magpie', admin_key: 'Admin key',
    gate_how: 'Open the one-time link that Magpie printed, or enter the admin key.',
    bad_link: 'This link was used before or has expired: use a new one, or the admin key.',
    bad_key: 'This key is not right: check it and try again.',
    sessions: 'Sessions', open_ones: 'Open', all_ones: 'All', channels: 'Channels', health: 'Status', all_channels: 'All channels',
    more: 'Show more', older: 'Older messages', back: 'Back to the sessions', loading: 'Loading…',
    customer: (id) => `Customer ${id}`, unread: 'unread', answered: 'Our answer:', ended: 'ended', end: 'End session', details: 'Details',
    none: 'No sessions here. When a customer writes, it appears.',
    no_channel: 'No channel is connected: ask your administrator.',
    choose: 'Choose a session.', gone: 'There is no such conversation.',
    end_title: 'End this session?', cancel: 'Cancel', end_what: 'A new one begins when the customer writes again.',
    messages: 'Messages', answer: 'Your answer', answer_hint: 'Enter sends, Shift+Enter starts a new line', send: 'Send',
    retry: 'Try again', again: 'Edit and resend', jump: 'New messages', auto: 'Automatic', says: (who, text) => `${who}: ${text}`,
    sending: 'Sending', held: 'Held', delivered: 'Delivered', failed: 'Failed', uncertain: 'Not confirmed',
    hours: (n) => `${n} h`, minutes: (n) => `${n} min`,
    closes: (rest) => `closes in ${rest}`, window: 'window', window_closed: 'window closed', none_left: 'none left',
    bytes: (n) => `${n} bytes`, parts: (n) => `${n} message${n === 1 ? '' : 's'}`, left: (n) => `${n.replace('/', ' of ')} left`,
    too_long: (most) => `Too long: an answer is at most 5 messages, about ${most} bytes. Shorten it.`,
    closed: (when) => `The 48-hour window is closed${when && ` (the customer last wrote on ${when})`}. You can answer when they write again; your draft is kept.`,
    will_hold: (need, left) => `This needs ${need}, ${left} left: it will wait and go out by itself when the customer writes again.`,
    suspended: 'The channel is suspended: answers go out when it is resumed.',
    other_desk: 'The customers of this channel are served at another desk: you can only read.',
    not_sent: (why) => `Not sent: ${why} Your text is kept.`,
    unreachable: 'The server cannot be reached.', offline: 'Connection lost, trying again…', status: (n) => `The server answered: error ${n}.`,
  },
};
const PART = 2048; // bytes of one WeChat text message
const NUMBERED = PART - 6; // what "(1/3) " leaves of it, at most
const MOST = 5; // messages in one answer or window
const MINUTE = 60e3, HOUR = 3600e3, DAY = 86400e3;

const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));

function el(what, props, ...children) {
  const [tag, ...classes] = what.split('.');
  const node = Object.assign(document.createElement(tag), { className: classes.join(' ') }, props);
  node.append(...children.filter((c) => c));
  return node;
}
function icon(name) {
  const svg = ui.back.firstElementChild.cloneNode(true);
  svg.firstElementChild.setAttribute('href', `#i-${name}`);
  return svg;
}
function say(node, words) { // for live regions
  if (node.textContent !== words) node.textContent = words;
}

// Without storage, drafts live as long as the page.
function keepItem(key, value) {
  try {
    if (value) localStorage.setItem(key, JSON.stringify(value));
    else localStorage.removeItem(key);
  } catch { /* no */ }
}
function keptItem(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}

const channels = new Map();
const talks = new Map(); // customer id -> conversation
const logs = new Map(); // customer id -> { messages, cursor, loaded, read }
const drafts = new Map(); // customer id -> { text, attempt, sending, problem }
const view = { filter: 'open', channel: '', ...keptItem('magpie:view') };
let inside = false; // signed in, we think
let open = null; // the customer whose conversation is shown
let missing = ''; // why it cannot be
let skew = 0; // the server's clock less ours

const now = () => Date.now() + skew;
const nameOf = (channel) => channels.get(channel)?.name || channel;

const zoneOf = (channel) => channels.get(channel)?.time_zone;

let lang, tag, intl;
const t = (key, ...args) => {
  const words = WORDS[lang][key];
  return words instanceof Function ? words(...args) : words;
};
const label = (id) => t('customer', id.slice(0, 4));
const lineOf = (m) => m?.[`text_${lang}`] ?? m?.text ?? '';

function speak(next) {
  lang = next;
  tag = navigator.languages.find((l) => l.startsWith(lang)) || lang;
  intl = {
    number: new Intl.NumberFormat(tag),
    ago: new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'narrow' }),
  };
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : lang;
  for (const n of document.querySelectorAll('[data-t]')) n.textContent = t(n.dataset.t);
  for (const n of document.querySelectorAll('[data-label]')) n.ariaLabel = t(n.dataset.label);
  ui.text.placeholder = t('answer_hint');
  ui.lang.textContent = t('other');
  ui.lang.lang = lang === 'zh' ? 'en' : 'zh-CN';
  render();
}

const FORMS = {
  time: { hour: '2-digit', minute: '2-digit' },
  weekday: { weekday: 'short' },
  date: { year: 'numeric', month: 'short', day: 'numeric' },
  day: { weekday: 'long', month: 'long', day: 'numeric' },
  full: { dateStyle: 'full', timeStyle: 'long' },
};
// A moment in a channel's zone; in the reader's where that is not known.
function date(form, ms, zone) {
  const key = form + zone;
  const words = (timeZone) => new Intl.DateTimeFormat(form ? tag : 'sv', { ...FORMS[form], timeZone });
  try { intl[key] ??= words(zone); } catch { intl[key] = words(); }
  return intl[key].format(ms);
}
// Swedish dates are ISO.
const dayNumber = (ms, zone) => Date.parse(date('', ms, zone)) / DAY;
const daysAgo = (ms, zone) => dayNumber(now(), zone) - dayNumber(ms, zone);

function when(ms, zone) {
  const past = now() - ms;
  const days = daysAgo(ms, zone);
  if (past < MINUTE) return intl.ago.format(0, 'second');
  if (past < HOUR) return intl.ago.format(-Math.floor(past / MINUTE), 'minute');
  if (days === 1) return intl.ago.format(-1, 'day');
  return date(days < 1 ? 'time' : days < 7 ? 'weekday' : 'date', ms, zone);
}

function dayOf(ms, zone) {
  const days = daysAgo(ms, zone);
  if (days === 0 || days === 1) return intl.ago.format(-days, 'day').replace(/^./, (c) => c.toUpperCase());
  return date(days < 180 ? 'day' : 'date', ms, zone);
}

const span = (ms) => (ms < HOUR ? t('minutes', Math.ceil(ms / MINUTE)) : t('hours', Math.floor(ms / HOUR)));

function windowOf(talk) {
  const rest = Date.parse(talk.window?.until) - now();
  return { shut: !(rest > 0), rest, left: talk.window?.left ?? 0 };
}

function problem(status, words) {
  // Unsure: it may have been done.
  const unsure = status < 400 || status > 499 || [401, 408, 429].includes(status);
  return Object.assign(new Error(words), { status, unsure });
}

async function call(method, path, body, stop = new AbortController()) {
  const headers = { 'accept-language': lang };
  if (method !== 'GET') headers['x-magpie-console'] = '1';
  if (body) headers['content-type'] = 'application/json';
  setTimeout(() => stop.abort(), 20e3);
  let answer, data;
  try {
    answer = await fetch(`/api/${path}`, { method, headers, body: body && JSON.stringify(body), signal: stop.signal, cache: 'no-store' });
    const text = await answer.text();
    try { data = text && JSON.parse(text); } catch (e) { if (answer.ok) throw e; }
  } catch {
    throw problem(0, t('unreachable'));
  }
  const off = Date.parse(answer.headers.get('date')) - Date.now();
  skew = Math.abs(off) > 3000 ? off : 0;
  if (answer.ok) return data;
  if (answer.status === 401 && path !== 'session') leave();
  throw problem(answer.status, data?.detail || data?.title || t('status', answer.status));
}

const talkPath = (id) => `conversations/${id}`;

// Reads in line. What an older list asked is dropped.
let line = Promise.resolve();
let epoch = 0;
function ask(path, params, stop) {
  const round = epoch;
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value));
  line = line.catch(() => {}).then(async () => {
    const got = round === epoch && await call('GET', `${path}?${query}`, undefined, stop);
    if (round !== epoch) throw problem(0, '');
    return got;
  });
  return line;
}

async function start() {
  const link = /^#link=(.+)/.exec(location.hash)?.[1];
  let failed = '';
  if (link) {
    history.replaceState(null, '', location.pathname);
    try {
      await call('POST', 'session', { link: decodeURIComponent(link) });
    } catch (p) {
      failed = p.status === 401 ? t('bad_link') : p.message;
    }
  }
  enter(failed);
}

async function enter(failed) {
  try {
    await loadChannels();
  } catch (p) {
    if (p.status === 401) {
      ui.gateProblem.textContent = failed;
    } else {
      ui.banner.textContent = p.message;
      setTimeout(enter, 3000, failed);
    }
    return;
  }
  ui.banner.textContent = '';
  ui.gate.hidden = inside = true;
  ui.app.hidden = ui.signOut.hidden = false;
  reload();
  route();
  listen();
}

function leave() {
  epoch += 1;
  stream?.close();
  for (const map of [talks, logs, drafts]) map.clear();
  inside = live = ui.gate.hidden = false;
  ui.app.hidden = ui.signOut.hidden = true;
  ui.ending.close();
  ui.banner.textContent = ui.gateProblem.textContent = '';
  open = null;
  ui.lines.replaceChildren();
  ui.key.focus();
  render();
}

ui.gateForm.onsubmit = async (e) => {
  e.preventDefault();
  try {
    await call('POST', 'session', { key: ui.key.value.trim() });
    ui.key.value = '';
    enter('');
  } catch (p) {
    ui.gateProblem.textContent = p.status === 401 ? t('bad_key') : p.message;
  }
};
ui.signOut.onclick = async () => {
  try {
    await call('DELETE', 'session');
  } catch (p) {
    if (p.status !== 401) return say(ui.banner, p.message);
  }
  for (const key of Object.keys(localStorage)) if (key.startsWith('magpie:draft:')) keepItem(key);
  history.replaceState(null, '', location.pathname);
  leave();
};

let cursor, listCursor, listed, stream;
let timer, ticking, again, stopTick;
let live = false; // told of changes by the server
let fails = 0;
let lastTick = 0;

async function loadChannels() {
  const all = [];
  let at = '';
  do {
    const got = await call('GET', `channels?limit=100&cursor=${at}`);
    all.push(...got.channels);
    at = got.cursor;
  } while (at);
  if (JSON.stringify(all) === JSON.stringify([...channels.values()])) return;
  channels.clear();
  for (const c of all) channels.set(c.id, c);
  if (!channels.has(view.channel)) view.channel = '';
  ui.channel.replaceChildren(el('option', { value: '' }), ...all.map((c) => el('option', { value: c.id }, nameOf(c.id))));
  ui.channel.value = view.channel;
  ui.channel.hidden = channels.size < 2;
}

function take(talk) { // the last taken goes first in a second
  talks.delete(talk.customer_id);
  talks.set(talk.customer_id, talk);
}

function reload() {
  const kept = talks.get(open);
  epoch += 1;
  listCursor = null;
  listed = false;
  talks.clear();
  if (kept) take(kept);
  stopTick?.abort();
  render();
  poke();
}

async function loadList() {
  const got = await ask('conversations', { channel: view.channel, state: view.filter, limit: 50, cursor: listCursor });
  got.conversations.reverse().forEach(take);
  listCursor = got.cursor;
  listed = true;
  render();
}

// Looks for changes soon, four times a second at the most.
function poke(delay = 0) {
  if (ticking) {
    again = true;
  } else if (inside) {
    clearTimeout(timer);
    timer = setTimeout(tick, Math.max(delay, lastTick + 250 - Date.now()));
  }
}

async function tick() {
  const id = logs.get(open)?.loaded && open;
  ticking = true;
  again = false;
  lastTick = Date.now();
  stopTick = new AbortController();
  try {
    const got = await ask('changes', { channel: view.channel, customer: id, cursor: listed && cursor }, stopTick);
    cursor = got.cursor;
    got.conversations.forEach(take);
    if (id && got.messages) takeNewest(id, got.messages);
    else if (id && logs.delete(id) && talks.delete(id)) { // erased
      missing = t('gone');
      reload();
    }
    if (!listed) await loadList(); // after the changes: nothing falls between
    fails = 0;
    render();
  } catch (p) {
    fails += 1;
    if (p.status === 400) listed = listCursor = null; // it was an older server's
  }
  ticking = false;
  say(ui.banner, fails > 1 ? t('offline') : '');
  const rest = live ? 30e3 : document.hidden ? 15e3 : 2e3;
  poke(again ? 0 : fails ? Math.min(30e3, 500 * 2 ** fails) : rest);
}

function listen() {
  let met = false;
  const mine = stream = new EventSource('/api/events');
  mine.onopen = () => {
    live = met = true;
    poke();
  };
  mine.addEventListener('change', () => poke());
  mine.onerror = () => {
    live = false;
    poke(2e3);
    if (met && mine.readyState === 2) setTimeout(() => inside && mine === stream && listen(), 10e3);
  };
}

function logOf(id) {
  if (!logs.has(id)) logs.set(id, { messages: [], cursor: null, loaded: false, read: null });
  return logs.get(id);
}

function merge(log, page) {
  const all = new Map([...log.messages, ...page].map((m) => [m.id, m]));
  log.messages = [...all.values()].sort((a, b) => Date.parse(a.time) - Date.parse(b.time));
}

// The newest messages; behind them is `older`, if given.
function takeNewest(id, page, older) {
  const log = logOf(id);
  const had = new Set(log.messages.map((m) => m.id));
  const joined = page.some((m) => had.has(m.id));
  const fresh = page.filter((m) => !had.has(m.id) && m.direction === 'in');
  if (!joined && page.length > 49) { // a gap between these and ours
    if (had.size && older === undefined) return loadTalk(id);
    log.messages = [];
  }
  if (!joined && older !== undefined) log.cursor = older;
  merge(log, page);
  if (log.loaded && fresh.length && id === open) {
    ui.live.textContent = fresh.slice(-3).map((m) => t('says', label(id), lineOf(m))).join(' ');
    ui.jump.hidden = stick;
  }
  settle(id);
}

async function loadTalk(id, older) {
  const log = logOf(id);
  stopTick?.abort();
  try {
    const got = await ask(talkPath(id), { limit: 50, cursor: older });
    take(got);
    if (older) {
      const newer = log.messages;
      log.messages = got.messages;
      merge(log, newer);
      log.cursor = got.cursor;
    } else {
      takeNewest(id, got.messages, got.cursor);
      log.loaded = true;
    }
    missing = '';
  } catch (p) {
    if (id !== open) return;
    missing = p.status === 404 ? t('gone') : p.message;
    if (p.unsure && !log.loaded) setTimeout(() => id === open && loadTalk(id), 1000);
  }
  render();
}

function route() {
  const before = open;
  open = /^#c=([\w-]+)$/.exec(location.hash)?.[1] || null;
  if (open === before) return;
  missing = ui.live.textContent = '';
  stick = ui.jump.hidden = true;
  ui.lines.replaceChildren();
  render();
  if (open) {
    loadTalk(open).then(() => (matchMedia('(max-width: 719px), (pointer: coarse)').matches ? ui.who : ui.text).focus());
  } else {
    ui.list.querySelector(`[href="#c=${before}"]`)?.focus();
  }
}

async function markRead() {
  const talk = talks.get(open);
  const log = logs.get(open);
  const last = log?.messages.findLast((m) => m.direction === 'in');
  if (document.hidden || !log?.loaded || !talk?.unread || !last || log.read === last.id) return;
  log.read = last.id;
  try {
    await call('POST', `${talkPath(open)}/read`, { up_to: last.id });
    poke();
  } catch {
    log.read = null;
  }
}

function draftOf(id) {
  if (!drafts.has(id)) drafts.set(id, { text: '', attempt: null, ...keptItem(`magpie:draft:${id}`), sending: false, problem: null });
  return drafts.get(id);
}

function keepDraft(id) {
  const { text, attempt } = draftOf(id);
  keepItem(`magpie:draft:${id}`, text && { text, attempt });
}

function accepted(id) {
  const draft = draftOf(id);
  if (draft.text === draft.attempt.text) draft.text = '';
  draft.attempt = draft.problem = null;
  keepDraft(id);
}

// Whose acknowledgement was lost shows up.
function settle(id) {
  const { attempt, sending } = draftOf(id);
  if (attempt && !sending && logOf(id).messages.some((m) => m.message_id === attempt.id)) accepted(id);
}

// crypto.randomUUID is missing on plain http.
const uuid = () => '10000000-1000-4000-8000-100000000000'
  .replace(/[018]/g, (c) => (c ^ crypto.getRandomValues(new Uint8Array(1))[0] & 15 >> c / 4).toString(16));

async function send() {
  const id = open;
  const draft = draftOf(id);
  if (draft.sending || obstacle(id).stop || !draft.text.trim()) return;
  const text = draft.text.toWellFormed?.() ?? draft.text;
  const last = Date.parse(logOf(id).messages.at(-1)?.time) || 0;
  if (draft.attempt?.text !== draft.text) draft.attempt = { id: uuid(), time: new Date(Math.min(now() + 2e3, Math.max(now(), last + 1))).toISOString(), text: draft.text };
  draft.sending = true;
  draft.problem = null;
  keepDraft(id);
  renderComposer();
  try {
    const got = await call('POST', `${talkPath(id)}/messages`, { ...draft.attempt, kind: 'text', text });
    const log = logOf(id);
    const newer = log.messages;
    merge(log, got.entries);
    merge(log, newer);
    accepted(id);
    stick ||= id === open;
  } catch (p) {
    if (!inside) return;
    draft.problem = p;
    if (!p.unsure) draft.attempt = null;
    keepDraft(id);
  }
  draft.sending = false;
  settle(id);
  render();
  poke();
}

const bytesOf = (text) => new TextEncoder().encode(text).length;
const partsOf = (bytes) => (bytes <= PART ? 1 : Math.ceil(bytes / NUMBERED));

// What stands in an answer's way (`stop` forbids it), or becomes of it.
function obstacle(id) {
  const talk = talks.get(id);
  const channel = channels.get(talk.channel);
  const need = partsOf(bytesOf(draftOf(id).text));
  const { shut, left } = windowOf(talk);
  if (channel && channel.desk.kind !== 'inbox') return { stop: true, foreign: true, words: t('other_desk') };
  if (shut && !channel?.fallback) {
    const last = logOf(id).messages.findLast((m) => m.direction === 'in' && !QUIET.includes(m.kind));
    return { stop: true, words: t('closed', last ? date('full', Date.parse(last.time), zoneOf(talk.channel)) : '') };
  }
  if (need > MOST) return { stop: true, words: t('too_long', intl.number.format(MOST * NUMBERED)) };
  if (channel?.suspended) return { words: t('suspended') };
  if (need > left) return { words: t('will_hold', t('parts', need), left) };
  return { words: '' };
}

function countWords(id) {
  const bytes = bytesOf(draftOf(id).text);
  const need = partsOf(bytes);
  const { shut, rest, left } = windowOf(talks.get(id));
  const [many, part] = [bytes, PART].map((n) => intl.number.format(n));
  const words = [t('bytes', need > 1 ? many : `${many} / ${part}`)];
  if (bytes) words.push((need > 1 ? '≈ ' : '') + t('parts', need));
  if (shut) words.push(t('window_closed'));
  // A window of a minute holds three.
  else words.push(t('left', rest > MINUTE ? `${left}/${MOST}` : `${left}`), `${t('window')} ${t('closes', span(rest))}`);
  return words.join(' · ');
}

// The Enter that ends a composition does not send; Safari is late.
let composed = -1e9;
ui.text.addEventListener('compositionend', (e) => { composed = e.timeStamp; });
ui.text.onkeydown = (e) => {
  if (e.key !== 'Enter' || e.shiftKey || e.altKey || e.isComposing || e.keyCode === 229 || e.timeStamp - composed < 80) return;
  e.preventDefault();
  if (!e.repeat) send();
};
ui.text.oninput = () => {
  const draft = draftOf(open);
  draft.text = ui.text.value;
  draft.problem = null;
  keepDraft(open);
  renderComposer();
};
ui.composer.onsubmit = (e) => {
  e.preventDefault();
  ui.text.focus();
  send();
};

// Puts a failed answer back, whole and without part numbers.
function writeAgain(m) {
  const draft = draftOf(open);
  const parts = logOf(open).messages.filter((x) => x.id === m.id || m.parts > 1 && x.message_id === m.message_id);
  const text = parts.map((x) => (x.parts > 1 ? x.text.replace(`(${x.part}/${x.parts}) `, '') : x.text)).join('');
  if (!draft.sending) draft.text = draft.text ? `${draft.text}\n${text}` : text;
  keepDraft(open);
  renderComposer();
  ui.text.focus();
}

ui.details.onclick = () => import('./people.js').then((m) => m.show(open, talks.get(open), channels, lang, call));
ui.end.onclick = () => {
  ui.endingProblem.textContent = '';
  ui.ending.showModal();
};
ui.endingNo.onclick = () => ui.ending.close();
ui.endingYes.onclick = async () => {
  try {
    await call('POST', `${talkPath(open)}/end`, {});
    ui.ending.close();
    poke();
  } catch (p) {
    ui.endingProblem.textContent = p.message;
  }
};

// Makes `items` the children of `parent`, keeping nodes and the focus.
function sync(parent, items, fill) {
  const keys = new Set(items.map((item) => item.id));
  const had = new Map();
  for (const node of [...parent.children]) {
    if (keys.has(node.dataset.id)) had.set(node.dataset.id, node);
    else node.remove();
  }
  const focus = document.activeElement;
  let at = parent.firstElementChild;
  for (const item of items) {
    const node = had.get(item.id) || el('li');
    const drawn = JSON.stringify(item);
    if (node.drawn !== drawn) fill(node, item);
    node.drawn = drawn;
    node.dataset.id = item.id;
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  if (parent.contains(focus)) focus.focus({ preventScroll: true });
}

function render() {
  renderList();
  renderTalk();
  renderComposer();
  toEnd();
  markRead();
}

const capped = (n) => (n > 98 ? '99+' : n);

function renderList() {
  const shown = [...talks.values()].reverse()
    .filter((c) => (!view.channel || c.channel === view.channel) && (view.filter === 'all' || c.state === 'open' || c.customer_id === open))
    .map((c) => ({ ...c, at: Date.parse(c.active || c.last_message?.time) || 0 }))
    .sort((a, b) => b.at - a.at);
  const total = shown.reduce((sum, c) => sum + c.unread, 0);
  document.title = total ? `(${capped(total)}) Magpie` : 'Magpie';
  ui.channel.firstChild?.replaceChildren(t('all_channels'));
  ui.filterOpen.ariaPressed = view.filter === 'open';
  ui.filterAll.ariaPressed = view.filter === 'all';
  ui.listMore.hidden = !listCursor;
  ui.listEmpty.hidden = shown.length > 0;
  ui.listEmpty.textContent = t(!listed ? 'loading' : !channels.size ? 'no_channel' : 'none');
  const first = shown.find((c) => c.customer_id === open) || shown[0];
  sync(ui.list, shown.map((c) => {
    const { shut, rest, left } = windowOf(c);
    const ended = c.state !== 'open';
    return {
      id: c.customer_id, lang, current: c.customer_id === open, tab: c.customer_id === first.customer_id ? 0 : -1,
      where: channels.size > 1 && nameOf(c.channel), unread: c.unread && capped(c.unread),
      time: c.at && when(c.at, zoneOf(c.channel)), stamp: c.last_message?.time, out: c.last_message?.direction === 'out', text: lineOf(c.last_message).slice(0, 160),
      hint: ended ? t('ended') : shut ? t('window_closed') : (left ? '' : `${t('none_left')} · `) + t('closes', span(rest)),
      soon: !ended && (shut || !left || rest < 3 * HOUR),
    };
  }), (li, c) => {
    if (!li.firstChild) li.append(el('a', { href: `#c=${c.id}` }));
    const a = li.firstChild;
    a.tabIndex = c.tab;
    a.ariaCurrent = c.current;
    a.className = c.unread ? 'fresh' : '';
    a.replaceChildren(
      el(`span.face.f${parseInt(c.id.slice(0, 2), 16) % 4}`, { ariaHidden: true }, c.id.slice(0, 2)),
      el('span.name', {}, el('b', {}, label(c.id)), ' ', c.where && el('bdi.quiet', {}, c.where)),
      el('time.quiet', { dateTime: c.stamp || '' }, c.time),
      el('span.preview', {}, c.out && icon('reply'), ' ', c.out && el('span.hear', {}, t('answered')), el('bdi', {}, c.text)),
      el('span.badge', { hidden: !c.unread }, `${c.unread}`, el('span.hear', {}, ` ${t('unread')}`)),
      el(c.soon ? 'span.hint.soon' : 'span.hint', {}, c.hint),
    );
  });
}

let stick = true; // the newest message stays in sight
let height;
function toEnd() {
  height = ui.log.clientHeight;
  if (stick) ui.log.scrollTop = ui.log.scrollHeight;
}
ui.log.onscroll = () => {
  if (height !== ui.log.clientHeight) return; // resized, not scrolled
  stick = ui.log.scrollHeight - ui.log.scrollTop - ui.log.clientHeight < 60;
  if (stick) ui.jump.hidden = true;
};
new ResizeObserver(toEnd).observe(ui.log);

const QUIET = ['event', 'session_end'];

function stateOf({ direction, state, reason }) {
  if (direction === 'in' && state !== 'dead') return null;
  const look = { delivered: 'delivered', held: 'held', dead: 'failed' }[state] || 'sending';
  const words = t(state === 'dead' && reason?.code === 'uncertain' ? 'uncertain' : look);
  return { look, words, why: reason && (reason[lang] || reason.code) };
}

function renderTalk() {
  const talk = talks.get(open);
  const box = logs.get(open);
  const ready = talk && box?.loaded;
  ui.app.classList.toggle('talking', open);
  ui.nothing.hidden = ready;
  ui.nothing.textContent = open ? missing || t('loading') : t('choose');
  ui.head.hidden = !open;
  ui.log.hidden = !ready;
  ui.who.textContent = open && label(open);
  ui.who.title = open;
  ui.end.hidden = talk?.state !== 'open';
  ui.where.textContent = talk ? nameOf(talk.channel) + (talk.state === 'open' ? '' : ` · ${t('ended')}`) : '';
  if (!ready) return;
  ui.older.hidden = !box.cursor;
  const items = [];
  const zone = zoneOf(talk?.channel);
  let lastDay = '';
  box.messages.forEach((m, i) => {
    const at = Date.parse(m.time);
    const day = dayOf(at, zone);
    if (day !== lastDay) items.push({ id: `day ${dayNumber(at, zone)}`, day });
    lastDay = day;
    const next = box.messages[i + 1];
    const state = stateOf(m);
    // Parts of one answer that fared alike say so once, at the last of them.
    const tight = m.parts > 1 && next?.message_id === m.message_id;
    const alike = tight && JSON.stringify(stateOf(next)) === JSON.stringify(state);
    items.push({ id: m.id, m, text: lineOf(m), time: date('time', at, zone), full: date('full', at, zone), tight, state: alike ? null : state });
  });
  sync(ui.lines, items, fillLine);
}

function fillLine(li, { m, day, text, time, full, tight, state }) {
  li.className = 'day';
  if (day) return say(li, day);
  const clock = el('time', { dateTime: m.time, title: full }, time);
  li.className = 'event';
  if (QUIET.includes(m.kind)) return li.replaceChildren(el('span', { dir: 'auto' }, text), ' ', clock);
  li.className = `msg ${m.direction}${tight ? ' tight' : ''}${m.kind === 'text' ? '' : ' kind'}`;
  li.replaceChildren(
    el('p.text', { dir: 'auto' }, text),
    el('p.meta', {}, clock, m.parts > 1 && `${m.part}/${m.parts}`, m.automatic && t('auto'), state && el(`span.state.${state.look}`, {}, icon(state.look), state.words)),
  );
  if (m.media ?? m.data) import('./files.js').then((f) => f.show(li, m, lang));
  if (state?.why) li.append(el(`p.why.${state.look}`, {}, state.why));
  if (state?.look === 'failed' && m.direction === 'out') li.append(el('button.plain.again', { type: 'button', onclick: () => writeAgain(m) }, t('again')));
}

function renderComposer() {
  const ready = talks.has(open) && logs.get(open)?.loaded;
  ui.composer.hidden = !ready;
  if (!ready) return;
  const draft = draftOf(open);
  const { stop, foreign, words } = obstacle(open);
  if (ui.text.value !== draft.text) ui.text.value = draft.text;
  ui.text.readOnly = draft.sending;
  ui.text.style.height = 'auto';
  ui.text.style.height = `${Math.min(ui.text.scrollHeight + 2, innerHeight * 0.35)}px`;
  ui.writing.hidden = ui.count.hidden = foreign;
  ui.count.textContent = countWords(open);
  say(ui.note, words);
  ui.send.disabled = draft.sending || stop || !draft.text.trim();
  ui.trouble.hidden = !draft.problem;
  say(ui.problem, draft.problem ? t('not_sent', draft.problem.message) : '');
  ui.retry.hidden = !draft.problem?.unsure;
  import('./compose.js').then((c) => c.show(open, lang, call, poke, now, uuid, stop));
}

ui.list.onkeydown = (e) => {
  const links = [...ui.list.querySelectorAll('a')];
  const at = links.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[e.key];
  if (to === undefined) return;
  e.preventDefault();
  links[to]?.focus();
};
function show(change) {
  keepItem('magpie:view', Object.assign(view, change));
  reload();
}
ui.filterOpen.onclick = () => show({ filter: 'open' });
ui.filterAll.onclick = () => show({ filter: 'all' });
ui.channel.onchange = () => show({ channel: ui.channel.value });
ui.listMore.onclick = () => loadList().catch(() => poke());
ui.older.onclick = async () => {
  const fromEnd = ui.log.scrollHeight - ui.log.scrollTop;
  stick = false;
  ui.older.disabled = true;
  await loadTalk(open, logOf(open).cursor);
  ui.older.disabled = false;
  ui.log.scrollTop = ui.log.scrollHeight - fromEnd;
};
ui.jump.onclick = () => {
  stick = ui.jump.hidden = true;
  toEnd();
};
ui.lang.onclick = () => {
  speak(lang === 'zh' ? 'en' : 'zh');
  keepItem('magpie:lang', lang);
};
window.onhashchange = () => {
  if (location.hash.startsWith('#link=')) start();
  else if (inside) route();
};
window.ononline = document.onvisibilitychange = () => {
  if (document.hidden || !inside) return;
  poke();
  markRead();
};
window.onstorage = (e) => { // another tab wrote or sent it
  if (e.key !== `magpie:draft:${open}` || draftOf(open).sending) return;
  drafts.delete(open);
  renderComposer();
};
setInterval(() => inside && render(), 15e3);
setInterval(() => inside && !document.hidden && loadChannels().catch(() => {}), 60e3);

const kept = keptItem('magpie:lang');
speak(WORDS[kept] ? kept : navigator.language.startsWith('zh') ? 'zh' : 'en');
start();
