
const MINUTE = 60e3, HOUR = 3600e3, DAY = 86400e3;

const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));

// Storage may be forbidden: then the language lives as long as the page.
function keptItem(key) {
  try { return JSON.parse(localStorage.getItem(key)); } catch { return null; }
}
function keepItem(key, value) {
  try {
    if (value) localStorage.setItem(key, JSON.stringify(value));
    else localStorage.removeItem(key);
  } catch { /* so be it */ }
}

let lang, intl;
const t = (key, ...args) => {
  const words = WORDS[key][lang === 'zh' ? 0 : 1];
  return words instanceof Function ? words(...args) : words;
};
const words = (how) => (how instanceof Function ? how() : Array.isArray(how) ? t(...how) : t(how));

// What a node says, and says again in another language: a key, a key with what
// it is about, or a function.
function tell(node, how, property = 'textContent') {
  node.says ||= {};
  node.says[property] = () => {
    const text = how ? words(how) : '';
    if (node[property] !== text) node[property] = text;
  };
  node.says[property]();
  return node;
}
function sayAgain() {
  for (const node of document.querySelectorAll('*')) for (const say of Object.values(node.says || {})) say();
}

// An element. Of its properties `t` is its text, `label` its name for those who
// do not see it, `hint` its placeholder; those with a hyphen are attributes.
function el(what, props = {}, ...children) {
  const [tag, ...classes] = what.split('.');
  const node = document.createElement(tag);
  node.className = classes.join(' ');
  for (const [name, value] of Object.entries(props)) {
    if (name === 't') tell(node, value);
    else if (name === 'label') tell(node, value, 'ariaLabel');
    else if (name === 'hint') tell(node, value, 'placeholder');
    else if (name.includes('-')) node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((c) => c || c === 0));
  return node;
}
function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', `#i-${name}`);
  svg.setAttribute('class', `i ${name}`);
  svg.setAttribute('aria-hidden', 'true');
  svg.append(use);
  return svg;
}
const button = (key, onclick, look = '') => el(`button${look}`, { type: 'button', t: key, onclick });
const link = (key, href, look = '') => el(`a${look}`, { t: key, href });

let spoken; // what was announced last
function announce(how) {
  spoken = how;
  ui.live.textContent = '';
  setTimeout(() => { if (spoken === how) ui.live.textContent = words(how); }, 50);
}

function speak(next) {
  lang = next;
  const tag = navigator.languages.find((l) => l.startsWith(lang)) || lang;
  intl = {
    tag,
    number: new Intl.NumberFormat(tag),
    ago: new Intl.RelativeTimeFormat(tag, { numeric: 'auto' }),
  };
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : lang;
  ui.lang.lang = lang === 'zh' ? 'en' : 'zh-CN';
  ui.live.textContent = '';
  sayAgain();
}

let skew = 0; // the server's clock less ours
const now = () => Date.now() + skew;

const FORMS = {
  second: { timeStyle: 'medium' },
  day: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' },
  date: { year: 'numeric', month: 'short', day: 'numeric' },
  full: { dateStyle: 'full', timeStyle: 'long' },
};
// In a channel's zone, or the reader's.
function date(form, ms, zone) {
  const key = `${form} ${zone}`;
  const words = (timeZone) => new Intl.DateTimeFormat(intl.tag, { ...FORMS[form], timeZone });
  try { intl[key] ??= words(zone); } catch { intl[key] = words(); }
  return intl[key].format(ms);
}

function when(ms, zone) {
  const away = ms - now();
  const far = Math.abs(away);
  if (far < MINUTE) return intl.ago.format(0, 'second');
  if (far < HOUR) return intl.ago.format(Math.trunc(away / MINUTE), 'minute');
  if (far < 12 * HOUR) return intl.ago.format(Math.trunc(away / HOUR), 'hour');
  return date(far < 180 * DAY ? 'day' : 'date', ms, zone);
}
function span(ms) {
  const minutes = Math.max(0, Math.ceil(ms / MINUTE));
  const hours = Math.floor(minutes / 60);
  return [hours && t('hours', hours), (minutes % 60 || !hours) && t('minutes', minutes % 60)].filter(Boolean).join(' ');
}
function moment(stamp, zone, none = 'never') {
  if (!stamp) return el('span.quiet', { t: none });
  const ms = Date.parse(stamp);
  return tell(el('time', { dateTime: stamp, t: () => when(ms, zone) }), () => date('full', ms, zone), 'title');
}

function problem(status, detail, data) {
  return Object.assign(new Error(detail), { status, code: data?.code, errors: data?.errors || [] });
}

async function call(method, path, body) {
  const headers = { 'accept-language': lang };
  if (method !== 'GET') headers['x-magpie-console'] = '1';
  if (body) headers['content-type'] = 'application/json';
  let answer, data;
  try {
    answer = await fetch(`/api/${path}`, {
      method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30e3), cache: 'no-store',
    });
    const text = await answer.text();
    try { data = text && JSON.parse(text); } catch (e) { if (answer.ok) throw e; }
  } catch {
    throw problem(0, t('unreachable'));
  }
  const off = Date.parse(answer.headers.get('date')) - Date.now();
  skew = Math.abs(off) > 3000 ? off : 0;
  if (answer.ok) return data;
  if (answer.status === 401 && path !== 'session') leave();
  const said = data?.detail || data?.title || t('failed_call', answer.status);
  throw problem(answer.status, data?.wechat?.rid ? `${said} rid: ${data.wechat.rid}` : said, data);
}

// As many rows as are wanted.
async function all(path, name, wanted = Infinity) {
  const rows = [];
  let cursor = '';
  do {
    const got = await call('GET', `${path}${path.includes('?') ? '&' : '?'}limit=${Math.min(100, wanted - rows.length)}&cursor=${cursor}`);
    rows.push(...got[name]);
    cursor = got.cursor;
  } while (cursor && rows.length < wanted);
  return { rows, cursor };
}

// The settings as they are now, changed and sent: absent secrets stay.
async function change(id, edit) {
  const c = await call('GET', `channels/${id}`);
  const desk = c.desk.kind === 'webhook' ? { kind: 'webhook', url: c.desk.url } : { kind: c.desk.kind };
  const body = {
    name: c.name, app_id: c.app_id, original_id: c.original_id, suspended: c.suspended,
    callback: { mode: c.callback.mode, only_wechat_addresses: c.callback.only_wechat_addresses }, api_base: c.api_base, token_call: c.token_call,
    part_pause_ms: c.part_pause_ms, retention_days: c.retention_days, erase_after_days: c.erase_after_days, time_zone: c.time_zone, agent_name: c.agent_name, kf_account: c.kf_account, replies: c.replies, fallback: c.fallback, desk,
  };
  edit(body);
  return call('PUT', `channels/${id}`, body);
}

// The id "new" is a channel's too, and its page has another address.
const pageOf = (id) => `/console/channels/${id}${id === 'new' ? '#channel' : ''}`;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
function letters(count) {
  let text = '';
  while (text.length < count) {
    const [byte] = crypto.getRandomValues(new Uint8Array(1));
    if (byte < 248) text += LETTERS[byte % 62]; // 248 = 4 · 62: all are as likely
  }
  return text;
}
const newToken = () => letters(32);
// The last of 43 letters carries four bits of a key: any letter will do.
const newKey = () => letters(43);
const newSecret = () => `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;

async function copy(input, what, said, again = 'copy') {
  try {
    await navigator.clipboard.writeText(input.value);
  } catch { // not by https, or not allowed
    input.select();
    if (!document.execCommand('copy')) return;
  }
  tell(said, 'copied');
  setTimeout(() => tell(said, again), 2000);
  announce(() => t('copied_it', words(what)));
}

// The pages of this module.
const PAGES = {};
// A page: what it shows at first, and how it is brought up to date.
let page;
let inside = false;
let running = null;

// One look at a time; whoever asks meanwhile gets another one after it.
function refresh() {
  if (running) {
    running.again = true;
    return running;
  }
  const run = look();
  running = run;
  return run.finally(() => {
    running = null;
    if (run.again) refresh();
  });
}
async function look() {
  if (!inside || document.hidden) return;
  try {
    await page.load();
    tell(ui.banner, '');
  } catch (p) {
    if (p.status !== 401) tell(ui.banner, () => t('stale', p.message));
  }
  sayAgain();
}

// Asks until what is waited for has come, while somebody looks.
function waitFor(look, every = 3000) {
  let stopped = false;
  (async () => {
    while (!stopped) {
      await new Promise((go) => setTimeout(go, every));
      if (stopped || document.hidden || !inside) continue;
      try { stopped = await look() || stopped; } catch { /* the next look says more */ }
    }
  })();
  return () => { stopped = true; };
}

function heading(how) {
  tell(ui.title, how);
  ui.title.says.page = () => { document.title = `${words(how)} · Magpie`; };
  ui.title.says.page();
}

// Shows what the address asks for. Whoever was signed out finds what they wrote.
async function enter(failed = '') {
  try {
    await call('GET', 'channels?limit=1');
  } catch (p) {
    if (p.status !== 401) {
      tell(ui.banner, () => p.message);
      setTimeout(enter, 3000, failed);
    } else if (failed) tell(ui.gateProblem, () => failed);
    return;
  }
  inside = ui.gate.hidden = true;
  ui.app.hidden = ui.signOut.hidden = false;
  tell(ui.banner, '');
  refresh();
}

function leave() {
  const first = ui.gate.hidden;
  inside = ui.gate.hidden = false;
  ui.app.hidden = ui.signOut.hidden = true;
  if (ui.dialog.open) ui.dialog.close();
  if (first) ui.key.focus();
}

async function start() {
  const one = /^#link=(.+)/.exec(location.hash)?.[1];
  let failed = '';
  if (one) {
    history.replaceState(null, '', location.pathname);
    try {
      await call('POST', 'session', { link: decodeURIComponent(one) });
    } catch (p) {
      failed = p.status === 401 ? t('bad_link') : p.message;
    }
  }
  enter(failed);
}

ui.gateForm.onsubmit = async (e) => {
  e.preventDefault();
  tell(ui.gateProblem, '');
  try {
    await call('POST', 'session', { key: ui.key.value.trim() });
    ui.key.value = '';
    await enter();
    ui.title.focus();
  } catch (p) {
    tell(ui.gateProblem, p.status === 401 ? 'bad_key' : () => p.message);
  }
};
ui.signOut.onclick = async () => {
  try {
    await call('DELETE', 'session');
    location.assign(location.pathname);
  } catch (p) {
    if (p.status !== 401) tell(ui.banner, () => p.message);
  }
};
ui.lang.onclick = () => {
  speak(lang === 'zh' ? 'en' : 'zh');
  keepItem('magpie:lang', lang);
};
// Somebody may have signed in beside us.
document.onvisibilitychange = window.ononline = () => {
  if (document.hidden) return;
  if (inside) refresh();
  else enter();
};
window.onhashchange = () => { if (location.hash.startsWith('#link=')) start(); };
