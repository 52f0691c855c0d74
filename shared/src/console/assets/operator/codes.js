
// QR codes of the account. Their pictures are the server's own: a page of ours loads
// nothing from WeChat.

const UNITS = [['86400', 'unit_days'], ['3600', 'unit_hours'], ['60', 'unit_minutes']];

const nameOf = (code, kind) => `${code.scene.replace(/[^\w.-]/g, '_')}.${kind}`;
// A document keeps a picture by its address, and a scene that is renewed has another one.
const pictureAt = (path, code) => `/api/${path}/${encodeURIComponent(code.scene)}/picture?of=${encodeURIComponent(code.url)}`;
const codePicture = (path, code) => tell(el('img.qr', { loading: 'lazy', src: pictureAt(path, code) }), ['code_picture', code.name], 'alt');
async function codeFile(path, code) {
  const picture = el('img', { src: pictureAt(path, code) });
  await picture.decode();
  const canvas = el('canvas', { width: picture.naturalWidth, height: picture.naturalHeight });
  canvas.getContext('2d').drawImage(picture, 0, 0);
  el('a', { href: canvas.toDataURL('image/png'), download: nameOf(code, 'png') }).click();
}

function codesPage(id) {
  const path = `channels/${id}/qrcodes`;
  let c;
  let wanted = 20;
  let built = false;
  heading('codes');
  const wait = el('p.quiet', { t: 'loading' });
  ui.body.append(ways(id, 'codes'), wait);

  // A new one.
  const name = field('code_name', text({ maxLength: 80 }), 'code_name_hint');
  const scene = field('code_scene', text({ className: 'code', maxLength: 64 }), 'code_scene_hint');
  const long = field('code_long', el('input', { type: 'number', inputMode: 'numeric', min: 1, value: 30 }));
  const unit = field('code_unit', el('select', {}, ...UNITS.map(([value, how]) => el('option', { value, t: how }))));
  const life = choice('code_life', 'life', [['some', 'code_for_a_time', 'code_for_a_time_what'], ['ever', 'code_for_ever', 'code_for_ever_what']], 'some', fit);
  const lasts = el('div.two', {}, long, unit);
  function fit() { lasts.hidden = life.get() === 'ever'; }
  const making = form({ name, scene, expires_in: long }, async () => {
    const ever = life.get() === 'ever';
    let made;
    try {
      made = await call('POST', path, {
        name: name.input.value.trim(), scene: scene.input.value.trim(),
        ...(!ever && { expires_in: Math.round(Number(long.input.value) * Number(unit.input.value)) }),
      });
    } catch (p) {
      // The API counts seconds, people do not.
      for (const e of p.errors) if (e.field === 'expires_in') e.detail = t('code_long_wrong');
      if (p.code === 'scene_taken') throw faults('scene', () => p.message);
      throw p;
    }
    name.input.value = scene.input.value = '';
    await refresh();
    show(made);
    return ['code_made', made.name];
  }, 'code_make', name, scene, life, lasts);

  const fold = el('details', {}, el('summary', { t: 'code_new' }), el('p.quiet', { t: 'code_what' }), making);

  // Those that there are.
  const list = el('ul.cards', { label: 'code_list' });
  const none = el('p.quiet', { t: 'code_none' });
  const more = button('more', () => { wanted += 100; refresh(); });
  const said = el('p', { role: 'status' });

  function replyOf(reply) {
    if (!reply) return el('span.quiet', { t: 'code_reply_none' });
    return reply.kind === 'text' ? el('span', {}, reply.text) : el('span', { t: ['code_reply_kind', reply.kind] });
  }
  const does = (what, one, onclick, look = '') => el(`button${look}`, { type: 'button', t: what, label: [`${what}_it`, one.name], 'data-do': what, onclick });
  function draw({ one, over, reply }) {
    const until = one.expires && Date.parse(one.expires);
    const copies = does('code_copy', one, () => copy(link, 'code_link', copies, 'code_copy'));
    const link = text({ value: one.url, readOnly: true, tabIndex: -1, className: 'hear' });
    link.setAttribute('aria-hidden', 'true');
    return el('li.card.codeCard', {},
      codePicture(path, one),
      el('div', {},
        el('div.cardHead', {}, el('h3', {}, el('bdi', {}, one.name)),
          el('p.scans', { t: () => t('code_scans', intl.number.format(one.scans)) })),
        facts(
          ['code_scene', el('code', {}, one.scene)],
          ['code_life', !until ? el('span', { t: 'code_for_ever' }) : el(over ? 'span.badText' : 'span', { t: () => t(over ? 'code_over' : 'code_until', date('day', until, c.time_zone)) })],
          ['count', el('span', { t: () => t('code_since', date('date', Date.parse(one.created), c.time_zone)) })],
          ['code_reply', replyOf(reply), ' ', el('a', { href: `${pageOf(id)}#replies`, t: 'code_reply_change', 'data-do': 'reply' })]),
        el('div.does', {}, does('code_show', one, () => show(one)), copies, link,
          over && does('code_renew', one, () => renew(one)), does('code_forget', one, () => forget(one), '.danger'))));
  }

  // The picture in large, with what can be done with it.
  function show(one) {
    const close = el('button', { type: 'button', t: 'code_close', onclick: () => ui.dialog.close() });
    const wrong = el('p.problem', { role: 'alert' });
    ui.dialog.replaceChildren(el('div.large', {},
      el('h2', { id: 'askTitle' }, el('bdi', {}, one.name)),
      el('div', { id: 'askAbout' }, codePicture(path, one), el('code', {}, one.scene)),
      wrong,
      el('div.choices', {},
        el('button.main', { type: 'button', t: 'code_save', onclick: () => codeFile(path, one).catch(() => tell(wrong, 'unreachable')) }),
        el('a.button', { href: pictureAt(path, one), download: nameOf(one, 'svg'), t: 'code_save_svg' }),
        el('a.button', { href: one.picture, target: '_blank', rel: 'noopener noreferrer' }, el('span', { t: 'code_at_wechat' }), icon('out')), close)));
    if (!ui.dialog.open) ui.dialog.showModal();
    close.focus();
  }

  // Of a code that is over another one is made, of the same scene.
  function renew(one) {
    fold.open = true;
    name.input.value = one.name;
    scene.input.value = one.scene;
    long.input.focus();
    making.scrollIntoView({ block: 'nearest' });
  }

  const forget = (one) => ask({
    title: ['code_forget_title', one.name], about: [() => t('code_forget_1', intl.number.format(one.scans)), 'code_forget_2'], yes: 'code_forget', danger: true,
    act: async () => {
      await call('DELETE', `${path}/${encodeURIComponent(one.scene)}`);
      await refresh();
      tell(said, ['code_forgotten', one.name]);
      ui.dialog.close();
      ofList.focus();
    },
  });
  const ofList = el('h2', { t: 'code_list', tabIndex: -1 });

  function build() {
    built = true;
    wait.replaceWith(
      el('section.card', { id: 'make' }, fold),
      el('section.card', { id: 'list' }, ofList, said, none, list, more));
  }

  return {
    async load() {
      const [one, got] = await Promise.all([accountOf(id), all(path, 'qrcodes', wanted).catch((p) => { if (p.status !== 404) throw p; })]);
      if (!one) return;
      c = one;
      if (!built) {
        build();
        fold.open = !got.rows.length;
      }
      none.hidden = got.rows.length > 0;
      more.hidden = !got.cursor;
      sync(list, got.rows.map((code) => ({
        id: code.scene, one: code, over: !!code.expires && Date.parse(code.expires) <= now(), reply: c.replies.scenes?.[code.scene] || null,
      })), draw);
    },
  };
}
PAGES.codes = codesPage;
