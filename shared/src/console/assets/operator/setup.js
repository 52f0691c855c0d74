
const CONSOLE = 'https://mp.weixin.qq.com/';

function setupPage() {
  heading('setup');
  ui.back.hidden = false;
  let c; // once it is connected
  let at = 0;
  let stop = () => {};
  let built = false;
  const names = ['step_1', 'step_2', 'step_3', 'step_4'];
  const trail = el('ol.trail', { label: 'steps' });
  const stage = el('section.card');
  const outside = el('a.button', { href: CONSOLE, target: '_blank', rel: 'noopener noreferrer' }, el('span', { t: 'open_console' }), icon('out'));
  ui.actions.append(outside);
  ui.body.append(el('p.quiet', { t: 'setup_what' }), trail, stage);

  function go(step) {
    stop();
    stop = () => {};
    at = step;
    if (c) history.replaceState(null, '', `#${c.id}`);
    trail.replaceChildren(...names.map((name, i) => el(`li${i < at ? '.past' : i === at ? '.now' : ''}`, i === at ? { 'aria-current': 'step' } : {},
      el('span.no', { 'aria-hidden': 'true' }, i < at ? icon('good') : `${i + 1}`), el('span', { t: name }), i < at && el('span.hear', { t: 'step_done' }))));
    const title = el('h2', { tabIndex: -1 }, el('span.quiet', { t: ['step_of', at + 1, names.length] }), el('span', { t: names[at] }));
    stage.replaceChildren(title, ...[account, allowList, server, trial][at]());
    if (built) title.focus();
    built = true;
    scrollTo(0, 0);
  }
  const where = (key) => el('p.where', {}, icon('place'), el('span', { t: key }));

  function account() {
    const name = field('name', text({ maxLength: 80 }), 'name_hint');
    const original = field('original_id', text({ className: 'code' }), 'original_hint');
    const app = field('app_id', text({ className: 'code' }), 'app_id_hint');
    const secret = field('app_secret', secretly(), 'app_secret_hint');
    const id = field('id', text({ className: 'code', maxLength: 40 }), 'id_hint');
    const base = field('api_base', text({ type: 'url', value: HOSTS[0] }), 'api_base_hint');
    base.input.setAttribute('list', 'hosts');
    const desk = deskFields('inbox', '', false);
    let own = false;
    id.input.oninput = () => { own = id.input.value !== ''; };
    name.input.oninput = () => { if (!own) id.input.value = slug(name.input.value); };
    id.input.value = slug('');
    const fields = { name, original_id: original, app_id: app, app_secret: secret, id, api_base: base, ...desk.fields };
    const send = async () => {
      const wanted = id.input.value.trim();
      if (!/^[a-z0-9-]{3,40}$/.test(wanted)) throw faults('id', 'id_wrong');
      if (!secret.input.value.trim()) throw faults('app_secret', 'secret_needed');
      const taken = await call('GET', `channels/${wanted}`).then(() => true, (p) => { if (p.status === 404) return false; throw p; });
      if (taken) throw faults('id', 'id_taken');
      // Token and key for now: those to be pasted are made in the third step.
      c = await call('PUT', `channels/${wanted}`, {
        name: name.input.value, app_id: app.input.value.trim(), original_id: original.input.value.trim(), app_secret: secret.input.value.trim(),
        api_base: base.input.value, callback: { mode: 'secure', token: newToken(), encoding_aes_key: newKey() }, desk: desk.get(),
      });
      go(1);
    };
    return [el('p.quiet', { t: 's1_menu' }), form(fields, send, 'next',
      where('s1_where_1'), name, original,
      where('s1_where_2'), app, secret,
      el('h3', { t: 's1_ours' }), desk, id,
      el('details', {}, el('summary', { t: 'advanced' }), base, hosts()))];
  }

  let known = new Set();
  function slug(text) {
    const plain = text.normalize('NFKD').toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 36);
    const base = plain.length < 3 || plain === 'new' ? 'wechat' : plain;
    let id = base;
    for (let n = 2; known.has(id); n += 1) id = `${base}-${n}`;
    return id;
  }

  function allowList() {
    const result = el('div');
    const on = button('skip', () => go(2));
    const check = checker(c.id, {
      after(checks) {
        const token = checks?.find((f) => f.name === 'token');
        if (!token) return;
        tell(on, token.ok ? 'continue' : 'skip');
        on.classList.toggle('main', token.ok);
        const wrong = ['wrong_secret', 'no_secret'].includes(token.code);
        check.go.classList.toggle('main', !token.ok && !wrong);
        result.replaceChildren(...(token.ok ? [el('p', { t: 's2_good' })]
          : token.address ? [el('p', { t: 's2_add' })]
            : wrong ? [mend()] : []));
      },
    });
    function mend() {
      const secret = field('s2_secret', secretly());
      return form({ app_secret: secret }, async () => {
        const given = secret.input.value.trim();
        if (!given) throw faults('app_secret', 'secret_needed');
        c = await change(c.id, (body) => { body.app_secret = given; });
        check.run();
        return 'saved';
      }, 'save_check', secret);
    }
    check.run();
    return [el('p', { t: 's2_what' }), where('s2_where'), check.found, result, el('div.does', {}, check.go, on, check.at)];
  }

  function server() {
    const fit = () => { steps.fields['callback.encoding_aes_key'].hidden = mode.get() === 'plain'; };
    const mode = choice('mode', 'mode', MODES, c.callback.mode, fit);
    const on = button('skip', () => go(3));
    const steps = pasteSteps(c, { token: true, key: true }, {
      before: [mode],
      fit,
      edit(body) {
        body.callback.mode = mode.get();
        if (body.callback.mode === 'plain') body.callback.encoding_aes_key = null;
        body.callback.previous_aes_key = null; // no message was made with it
      },
      saved(put) { c = put; },
      done(got) {
        c = got;
        tell(on, 'continue');
        on.classList.add('main');
        on.focus();
      },
    });
    stop = steps.stop;
    fit();
    return [
      where('s3_where'),
      !isPublic(c.callback_url) && note('warn', el('p', { t: ['s3_local', c.callback_url] })),
      steps, el('p.quiet', { t: 's3_enable' }), el('div.does', {}, on),
    ].filter(Boolean);
  }

  function trial() {
    const said = el('div', { 'aria-live': 'polite' }, el('p.waits', { t: 'waiting_push' }));
    const links = el('div.does', {}, link('to_channel', pageOf(c.id), '.button'));
    const before = Date.parse(c.seen.last_push) || 0;
    const refused = el('div');
    const help = el('p.quiet', { t: 's4_help' });
    stop = waitFor(async () => {
      c = await call('GET', `channels/${c.id}`);
      const push = Date.parse(c.seen.last_push);
      refused.replaceChildren();
      const why = trouble(c.seen.refused, c.seen.last_push);
      if (why) refused.append(note('bad', el('p', { t: 'saw_refused' }), el('p', { t: () => why[lang] })));
      if (!(push > before)) return false;
      const inbox = c.desk.kind === 'inbox';
      said.replaceChildren(note('good',
        el('p', { t: () => t('seen_push', date('second', push, c.time_zone)) }),
        el('p', {}, el('strong', { t: 's4_done' }), ' ', el('span', { t: inbox ? 's4_answer' : 's4_desk' }))));
      if (inbox) links.prepend(link('to_inbox', '/console/', '.button.main'));
      refused.replaceChildren();
      help.hidden = true;
      return true;
    });
    return [el('p', { t: 's4_what' }), said, refused, help, links];
  }

  return {
    async load() {
      if (built) return;
      const id = /^#([a-z0-9-]{3,40})$/.exec(location.hash)?.[1];
      const { rows } = await all('channels', 'channels');
      known = new Set(rows.map((one) => one.id));
      c = rows.find((one) => one.id === id);
      go(!c ? 0 : c.seen.handshake ? 3 : 1);
    },
  };
}
PAGES.setup = setupPage;
