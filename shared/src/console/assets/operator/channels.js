
const isPublic = (url) => /^https:\/\/[^/:]+(:443)?\//.test(url) && !/^https:\/\/(localhost|127\.|10\.|192\.168\.|\[)/.test(url);
// Not what strangers try: calls that WeChat would never make.
const STRANGE = ['malformed', 'too_large'];
const trouble = (refused, push) => refused.find((r) => !STRANGE.includes(r.code) && now() - Date.parse(r.last) < HOUR && !(Date.parse(push) > Date.parse(r.last)));

// What is to be said of a channel at a glance; the worst first.
function states(c, s) {
  const found = [];
  if (s?.desk_down) found.push(['bad', 'desk_down']);
  if (s?.dead) found.push(['bad', ['dead_n', s.dead]]);
  if (!c.app_secret_set) found.push(['warn', 'no_secret']);
  else if (s && !s.token && !c.suspended) found.push(['warn', 'no_token']);
  if (!c.seen.handshake && !c.seen.last_push) found.push(['warn', 'unverified']);
  else if (trouble(c.seen.refused, c.seen.last_push)) found.push(['warn', 'refusing']);
  if (c.seen.alarms.length) found.push(['warn', 'alarmed']);
  if (c.suspended) found.push(['warn', 'suspended']);
  if (s?.pending) found.push(['held', ['waits_n', s.pending]]);
  return found.some(([look]) => look !== 'held') ? found : [['good', 'ok'], ...found];
}
const chips = (c, s) => states(c, s).map(([look, how]) => chip(look, how));

function listPage() {
  heading('channels');
  const list = el('ul.cards', { label: 'channels' });
  const empty = el('section.card.empty', { hidden: true },
    el('h2', { t: 'none_title' }), el('p', { t: 'none_what' }),
    link('add', '/console/channels/new', '.button.main'),
    el('h3', { t: 'need_title' }), el('ul.plainList', {}, el('li', { t: 'need_1' }), el('li', { t: 'need_2' })));
  const add = el('a.button.main', { href: '/console/channels/new', hidden: true }, icon('add'), el('span', { t: 'add' }));
  const wait = el('p.quiet', { t: 'loading' });
  ui.actions.append(add);
  ui.body.append(wait, list, empty);
  const gone = keptItem('magpie:removed');
  if (gone) {
    keepItem('magpie:removed', null);
    ui.body.prepend(note('good', el('p', { t: ['removed', gone], role: 'status' })));
  }

  function draw({ c, s }) {
    return el('li.card', {},
      el('div.cardHead', {},
        el('h2', {}, el('a', { href: pageOf(c.id), 'data-do': 'open' }, el('bdi', {}, c.name))),
        el('div.chips', {}, ...chips(c, s))),
      facts(
        ['id', el('code', {}, c.id)],
        ['at_desk', el('span', { t: c.desk.kind === 'inbox' ? 'desk_inbox' : 'desk_webhook' })],
        ['last_push', moment(c.seen.last_push, c.time_zone)],
        ['last_send', moment(c.seen.last_send, c.time_zone)]));
  }
  return {
    async load() {
      const [{ rows }, status] = await Promise.all([all('channels', 'channels'), call('GET', 'status').catch(() => null)]);
      const of = new Map(status?.channels.map((s) => [s.channel, s]));
      wait.hidden = true;
      add.hidden = !rows.length;
      empty.hidden = rows.length > 0;
      sync(list, rows.map((c) => ({ id: c.id, c, s: of.get(c.id) })), draw);
    },
  };
}

// The check: what it found, in words.
function checker(id, { after } = {}) {
  const found = el('ul.found', { 'aria-live': 'polite' });
  const go = el('button', { type: 'button', t: 'check_now' });
  const at = el('p.quiet');
  go.onclick = () => run();
  async function run() {
    if (go.disabled) return null;
    go.disabled = true;
    tell(go, 'checking');
    let checks = null;
    try {
      ({ checks } = await call('POST', `channels/${id}/check`, {}));
      const done = now();
      tell(at, () => t('checked', date('second', done)));
      found.replaceChildren(...checks.map(finding));
    } catch (p) {
      found.replaceChildren(el('li', {}, icon('bad'), el('p.problem', { t: () => p.message })));
    }
    go.disabled = false;
    tell(go, 'check_again');
    after?.(checks);
    return checks;
  }
  return { found, go, at, run };
}

function finding(f) {
  const code = f.answer === undefined || f.ok ? '' : [f.name === 'token' ? 'code' : 'http', f.answer];
  return el(`li.${f.ok ? 'good' : 'bad'}`, {}, icon(f.ok ? 'good' : 'bad'),
    el('div', {},
      el('p', {}, el('strong', { t: `check_${f.name}` }), ' ', el('span.quiet', { t: f.ok ? 'good' : 'bad' })),
      el('p', {}, el('span', { t: () => f[lang] }), ' ', code && el('span.quiet', { t: code })),
      f.address && copyable('address', f.address)));
}

// A token, a key or both: pasted into WeChat's form, saved here, submitted
// there. `fresh` says which are made; nothing that was saved is shown again.
function pasteSteps(c, fresh, { saved, done, edit, fit, before = [], soon }) {
  const fields = {};
  const url = copyable('url', c.callback_url);
  if (fresh.token) fields['callback.token'] = copyable('token', newToken(), { make: newToken });
  if (fresh.key) fields['callback.encoding_aes_key'] = copyable('aes_key', newKey(), { make: newKey });
  const secrets = Object.values(fields);
  const third = el('div', { 'aria-live': 'polite' }, el('p.quiet', { t: 'waits_save' }));
  let stop = () => {};

  async function send() {
    const given = Object.fromEntries(Object.entries(fields).map(([name, f]) => [name.split('.')[1], f.hidden ? undefined : f.input.value.trim()]));
    const put = await change(c.id, (body) => { Object.assign(body.callback, given); edit?.(body); });
    for (const f of secrets) {
      f.input.value = '';
      f.hidden = true;
    }
    for (const one of before) one.disabled = true;
    saving.replaceWith(sent);
    saved?.(put);
    announce('saved');
    watch(put);
  }
  const watch = (put) => {
    const since = Date.parse(put.seen.handshake) || 0;
    const counts = Object.fromEntries(put.seen.refused.map((r) => [r.code, r.count]));
    const state = el('p.waits', { t: 'waiting_handshake' });
    const refused = el('div');
    third.replaceChildren(state, refused);
    stop();
    stop = waitFor(async () => {
      const got = await call('GET', `channels/${c.id}`);
      if (Date.parse(got.seen.handshake) > since) {
        third.replaceChildren(note('good', el('p', { t: () => t('seen_handshake', date('second', Date.parse(got.seen.handshake), got.time_zone)) })));
        done?.(got);
        return true;
      }
      const worse = got.seen.refused.find((r) => r.count > (counts[r.code] || 0));
      if (worse && refused.dataset.code !== `${worse.code}${worse.count}`) {
        refused.dataset.code = `${worse.code}${worse.count}`;
        refused.replaceChildren(note('bad', el('p', { t: 'saw_refused' }), el('p', { t: () => worse[lang] })));
      }
      return false;
    });
  };
  const again = () => {
    stop();
    for (const [name, f] of Object.entries(fields)) {
      f.input.value = name.endsWith('token') ? newToken() : newKey();
      f.hidden = false;
    }
    for (const one of before) one.disabled = false;
    fit?.();
    sent.replaceWith(saving);
    tell(saving.said, '');
    third.replaceChildren(el('p.quiet', { t: 'waits_save' }));
    secrets[0].input.focus();
  };
  const pasting = el('div.fields', { role: 'group', label: 'paste_all' }, url, ...before, ...secrets);
  const saving = form(fields, send, 'save_step');
  const sent = el('div.sent', {}, el('p', {}, icon('good'), ' ', el('span', { t: 'hidden_now' })), button('fresh', again));
  const steps = el('ol.steps', {},
    el('li', {}, el('p', { t: 'wechat_place' }), pasting),
    el('li', {}, el('p', { t: 'save_here' }), saving),
    el('li', {}, el('p', { t: soon ? 'submit_soon' : 'submit_there' }), third));
  return Object.assign(steps, { fields, stop: () => stop() });
}
PAGES.list = listPage;
