
const MODES = [['secure', 'secure', 'secure_what'], ['compatible', 'compatible', 'compatible_what'], ['plain', 'plain', 'plain_what']];
const DESKS = [['inbox', 'desk_inbox'], ['webhook', 'desk_webhook']];
const HOSTS = ['api', 'api2', 'sh.api', 'sz.api', 'hk.api'].map((name) => `https://${name}.weixin.qq.com`);
const zones = () => el('datalist', { id: 'zones' }, ...(Intl.supportedValuesOf?.('timeZone') ?? []).map((value) => el('option', { value })));
const hosts = () => el('datalist', { id: 'hosts' }, ...HOSTS.map((value) => el('option', { value })));

// Where agents work: ours, or a system of theirs with its address and secret.
function deskFields(kind, url, hasSecrets) {
  const address = field('webhook_url', text({ type: 'url', value: url || '' }), 'webhook_url_hint');
  const secret = copyable('webhook_secret', newSecret(), { make: newSecret, help: 'webhook_secret_hint' });
  const drops = el('p.quiet', { t: 'inbox_drops' });
  const pick = choice('who_answers', 'desk', DESKS, kind, show);
  function show() {
    const hook = pick.get() === 'webhook';
    address.hidden = !hook;
    secret.hidden = !hook || hasSecrets;
    drops.hidden = hook || !hasSecrets;
  }
  show();
  const node = el('div.fields', {}, pick, drops, address, secret);
  const get = () => {
    if (pick.get() !== 'webhook') return { kind: 'inbox' };
    const desk = { kind: 'webhook', url: address.input.value.trim() };
    return hasSecrets ? desk : { ...desk, secrets: [secret.input.value.trim()] };
  };
  return Object.assign(node, { fields: { 'desk.kind': pick, 'desk.url': address, 'desk.secrets': secret }, get });
}

function channelPage(id) {
  let c, s; // as they were read last
  heading(() => c?.name || id);
  const top = el('div');
  const overview = el('div');
  ui.back.hidden = false;
  ui.body.append(ways(id, 'channel'), top, el('p.quiet', { t: 'loading' }));
  let built = false;

  function build() {
    built = true;
    ui.body.lastChild.remove();
    ui.body.append(section('facts', overview), checkSection(), settingsSection(), repliesSection(id, c, take), keysSection(), careSection());
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }
  const section = (title, ...children) => el('section.card', { id: title }, el('h2', { t: title }), ...children);

  function take(next) {
    c = next;
    sayAgain();
    drawTop();
    drawOverview();
    for (const draw of keys) draw();
  }

  function drawTop() {
    const items = [];
    if (c.suspended) items.push({ id: 'suspend' });
    if (!c.seen.handshake && !c.seen.last_push) items.push({ id: 'unverified' });
    sync(top, [...alarmsOf(c), ...items], (item) => item.alarm ? alarmNote(item) : note('warn', el('p', { t: `${item.id}_what` }), item.id === 'suspend' && el('p', { t: 'suspend_warn' }),
      item.id === 'unverified' ? link('go_on', `/console/channels/new#${id}`, '.button') : button('resume', () => suspend(false))));
    ui.actions.replaceChildren(...chips(c, s));
  }

  function drawOverview() {
    const secret = (is) => el(is ? 'span' : 'span.warnText', { t: is ? 'is_set' : 'not_set' });
    const plain = c.callback.mode === 'plain' && !c.callback.encoding_aes_key_set;
    sync(overview, [{ id: 'facts', c }], () => el('div', {},
      facts(
        ['handshake', moment(c.seen.handshake, c.time_zone, 'not_yet')],
        ['last_push', moment(c.seen.last_push, c.time_zone)],
        ['last_send', moment(c.seen.last_send, c.time_zone)],
        ['id', el('code', {}, c.id)],
        ['app_id', el('code', {}, c.app_id)],
        ['original_id', el('code', {}, c.original_id)],
        ['time_zone', el('span', {}, c.time_zone)],
        ['mode', el('span', { t: c.callback.mode })],
        ['token', secret(c.callback.token_set)],
        ['aes_key', c.callback.previous_aes_key_set ? el('span', { t: 'key_and_old' }) : plain ? el('span.quiet', { t: 'not_set' }) : secret(c.callback.encoding_aes_key_set)],
        ['app_secret', secret(c.app_secret_set)],
        ['at_desk', el('span', { t: c.desk.kind === 'inbox' ? 'desk_inbox' : 'desk_webhook' })],
        c.desk.url && ['webhook_url', el('code', {}, c.desk.url)],
        c.desk.url && ['desk_secrets', el('span', { t: ['secrets_n', c.desk.secrets_set] })]),
      el('div.fields', {}, copyable('url', c.callback_url), c.desk_url && copyable('desk_url', c.desk_url)),
      el('h3', { t: 'refused' }), refusals(c.seen.refused)));
  }

  function refusals(rows) {
    if (!rows.length) return el('p.quiet', { t: 'refused_none' });
    return el('div', {}, el('p.quiet', { t: 'refused_what' }), table(['reason', 'count', 'last'], rows.map((r) => ({
      id: r.code, cells: [el('span', { t: () => r[lang] }), el('span', { t: () => intl.number.format(r.count) }), moment(r.last, c.time_zone)],
    }))));
  }

  const check = checker(id);
  const checkSection = () => section('check', el('p.quiet', { t: 'check_what' }), check.found, el('div.does', {}, check.go, check.at));

  function settingsSection() {
    const name = field('name', text({ value: c.name, maxLength: 80 }), 'name_hint');
    const key = copyable('aes_key', newKey(), { make: newKey, help: 'mode_key' });
    const both = el('p.quiet.warnText', { t: 'mode_both' });
    const mode = choice('mode', 'mode', MODES, c.callback.mode, keyed);
    const desk = deskFields(c.desk.kind, c.desk.url, c.desk.secrets_set > 0);
    const number = (value, min, max) => el('input', { type: 'number', inputMode: 'numeric', value, min, max });
    const retention = field('retention', number(c.retention_days, 3, 3650), 'retention_hint');
    const leave = field('erase_after', number(c.erase_after_days, 0, 30), 'erase_after_hint');
    const pause = field('pause', number(c.part_pause_ms, 0, 2000), 'pause_hint');
    const zone = field('time_zone', text({ value: c.time_zone, maxLength: 40 }), 'time_zone_hint');
    zone.input.setAttribute('list', 'zones');
    const named = choice('agent_name', 'agent_name', [['none', 'agent_none'], ['first', 'agent_first'], ['full', 'agent_full']], c.agent_name);
    const kf = field('kf_account', text({ value: c.kf_account ?? '', maxLength: 30 }), 'kf_hint');
    const base = field('api_base', text({ type: 'url', value: c.api_base }), 'api_base_hint');
    base.input.setAttribute('list', 'hosts');
    const token = choice('token_call', 'token_call', [['stable', 'stable'], ['classic', 'classic']], c.token_call);
    const callers = choice('callers', 'callers', [['any', 'callers_any'], ['wechat', 'callers_wechat', 'callers_what']], c.callback.only_wechat_addresses ? 'wechat' : 'any');
    function keyed() {
      both.hidden = mode.get() === c.callback.mode;
      key.hidden = mode.get() === 'plain' || c.callback.encoding_aes_key_set;
    }
    keyed();
    // What is left empty is wrong, not the default.
    const whole = (f) => (f.input.value.trim() === '' ? '' : Number(f.input.value));
    const shown = c;
    const fields = {
      name, ...desk.fields, 'callback.mode': mode, 'callback.encoding_aes_key': key, retention_days: retention, erase_after_days: leave, time_zone: zone, part_pause_ms: pause, agent_name: named, kf_account: kf, api_base: base, token_call: token,
    };
    const send = async () => {
      const put = await change(id, (body) => {
        // What was not touched here may have been changed elsewhere.
        const set = (name, value) => { if (value !== shown[name]) body[name] = value; };
        set('name', name.input.value.trim());
        set('retention_days', whole(retention));
        set('erase_after_days', whole(leave));
        set('part_pause_ms', whole(pause));
        set('time_zone', zone.input.value.trim());
        set('agent_name', named.get());
        set('kf_account', kf.input.value.trim() || null);
        set('api_base', base.input.value.trim());
        set('token_call', token.get());
        const chosen = desk.get();
        if (chosen.kind !== shown.desk.kind || chosen.url !== shown.desk.url || chosen.secrets) body.desk = chosen;
        if (mode.get() !== shown.callback.mode) body.callback.mode = mode.get();
        const only = callers.get() === 'wechat';
        if (only !== shown.callback.only_wechat_addresses) body.callback.only_wechat_addresses = only;
        if (!key.hidden) body.callback.encoding_aes_key = key.input.value.trim();
      });
      take(put);
      const fresh = settingsSection();
      document.getElementById('settings').replaceWith(fresh);
      const sent = fresh.querySelector('form');
      tell(sent.said, 'saved_soon');
      sent.go.focus();
    };
    return section('settings', form(fields, send, 'save',
      name, desk, mode, both, key,
      el('details', {}, el('summary', { t: 'advanced' }), el('div.fields', {}, zone, retention, leave, pause, named, kf, base, token, callers), hosts(), zones())));
  }

  const keys = [];
  function keysSection() {
    const fold = (title, draw, fits = () => true) => {
      const body = el('div');
      const node = el('details.fold', {}, el('summary', { t: title }), body);
      // Whoever closes it and opens it again begins anew.
      node.ontoggle = () => {
        body.stop?.();
        body.replaceChildren(...(node.open ? draw(body) : []));
      };
      const show = () => { node.hidden = !fits(); };
      follow(show);
      return node;
    };
    const follow = (draw) => { keys.push(draw); draw(); };
    const pasted = (fresh, soon) => (body) => {
      const steps = pasteSteps(c, fresh, { soon, saved: take });
      body.stop = steps.stop;
      return [steps];
    };
    const drop = (about, yes, edit, done) => note('warn', el('p', { t: about }), button(yes, () => ask({
      title: yes, about: [about], yes, act: async () => { take(await change(id, edit)); announce(done); },
    })));
    const left = el('div');
    follow(() => sync(left, [
      c.callback.previous_aes_key_set && { id: 'key' }, c.desk.secrets_set > 1 && { id: 'desk', n: c.desk.secrets_set },
    ].filter(Boolean), ({ id: what, n }) => (what === 'key'
      ? drop('old_key', 'drop_key', (body) => { body.callback.previous_aes_key = null; }, 'dropped_key')
      : drop(['two_desk', n], 'drop_desk', (body) => { body.desk.previous_secrets = null; }, 'dropped_desk'))));
    return section('keys', el('p.quiet', { t: 'keys_what' }), left,
      fold('rotate_token', pasted({ token: true }, true)),
      fold('rotate_key', (body) => [el('p.quiet', { t: 'rotate_key_what' }), ...pasted({ key: true })(body)], () => c.callback.encoding_aes_key_set),
      fold('rotate_secret', secretSteps),
      fold('rotate_desk', deskSteps, () => c.desk.kind === 'webhook'));
  }

  function secretSteps() {
    const secret = field('app_secret', secretly());
    const found = checker(id);
    const send = async () => {
      const given = secret.input.value.trim();
      if (!given) throw faults('app_secret', 'secret_needed');
      take(await change(id, (body) => { body.app_secret = given; }));
      secret.input.value = '';
      found.run();
      return 'saved';
    };
    return [el('ol.steps', {},
      el('li', {}, el('p', { t: 'secret_1' })),
      el('li', {}, el('p', { t: 'secret_2' }), form({ app_secret: secret }, send, 'save_check', secret)),
      el('li', {}, el('p', { t: 'secret_3' }), found.found, found.at))];
  }

  function deskSteps() {
    const secret = copyable('webhook_secret', newSecret(), { make: newSecret });
    const send = async () => {
      const put = await change(id, (b) => { b.desk.new_secret = secret.input.value.trim(); });
      secret.input.value = '';
      secret.hidden = true;
      saving.go.hidden = true;
      take(put);
      return 'saved_soon';
    };
    const saving = form({ 'desk.new_secret': secret }, send, 'save');
    return [el('ol.steps', {},
      el('li', {}, el('p', { t: 'desk_1' }), secret),
      el('li', {}, el('p', { t: 'desk_2' }), saving),
      el('li', {}, el('p', { t: 'desk_3' })))];
  }

  async function suspend(on) {
    const act = async () => {
      take(await change(id, (body) => { body.suspended = on; }));
      announce(on ? 'is_suspended' : 'is_resumed');
    };
    if (on) return ask({ title: ['suspend_title', c.name], about: ['suspend_what', 'suspend_warn'], yes: 'suspend', act });
    try { await act(); } catch (p) { tell(ui.banner, () => p.message); }
    return ui.title.focus();
  }

  function remove() {
    const go = async (force) => {
      await call('DELETE', `channels/${id}${force ? '?force=true' : ''}`);
      keepItem('magpie:removed', c.name);
      location.assign('/console/channels');
    };
    ask({
      title: ['remove_title', c.name], about: ['remove_1', 'remove_2', 'remove_3'], yes: 'remove', danger: true,
      confirm: { what: ['remove_type', id], text: id, wrong: 'remove_typed' },
      act: async () => {
        try {
          await go();
        } catch (p) {
          if (p.code !== 'sessions_open') throw p;
          ask({ title: 'sessions_open', about: ['sessions_what'], yes: 'remove_force', danger: true, act: () => go(true) });
        }
      },
    });
  }

  function careSection() {
    const pause = el('button', { type: 'button' });
    pause.onclick = () => suspend(!c.suspended);
    const show = () => tell(pause, c.suspended ? 'resume' : 'suspend');
    keys.push(show);
    show();
    return section('care',
      el('div.row', {}, el('p', { t: 'suspend_what' }), pause),
      el('div.row', {}, el('p', { t: 'remove_what' }), button('remove', remove, '.danger')));
  }

  return {
    async load() {
      const [one, status] = await Promise.all([channelOf(id), call('GET', 'status').catch(() => null)]);
      if (!one) return;
      c = one;
      s = status?.channels.find((is) => is.channel === id);
      heading(() => c.name);
      if (!built) build();
      take(c);
    },
  };
}
PAGES.channel = channelPage;
