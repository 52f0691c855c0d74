
// How often the account may still call WeChat. Each answer is a call of its own, so that
// nobody asks unless somebody wants to know.

const PATHS = [
  ['/cgi-bin/message/custom/send', 'path_send'],
  ['/cgi-bin/message/custom/typing', 'path_typing'],
  ['/cgi-bin/media/get', 'path_media'],
  ['/cgi-bin/qrcode/create', 'path_qrcode'],
  ['/cgi-bin/menu/create', 'path_menu_set'],
  ['/cgi-bin/menu/get', 'path_menu_get'],
  ['/cgi-bin/stable_token', 'path_stable'],
  ['/cgi-bin/token', 'path_token'],
];
const NEARLY = 0.8; // of a day's calls, from where on it is worth a look

function quotaPage(id) {
  let c;
  let asked = false;
  heading('quota');
  const wait = el('p.quiet', { t: 'loading' });
  ui.body.append(ways(id, 'quota'), wait);
  const number = (n) => intl.number.format(n);

  const at = el('p.quiet', { role: 'status' });
  const again = button('quota_ask', () => look());
  const calls = table(['quota_path', 'quota_used', 'quota_left', 'quota_rate']);
  const trouble = el('div', { 'aria-live': 'polite' });
  const others = []; // paths that were asked for beside ours

  function cells({ path, what, got, problem: why }) {
    const called = el('span', {}, what && el('span', { t: what }), what && ' ', el('code.quiet', {}, path));
    if (!got) return [called, el('span.problem', { t: () => why }), el('span', { t: 'dash' }), el('span', { t: 'dash' })];
    const scarce = got.daily_limit > 0 && got.used >= got.daily_limit * NEARLY;
    const limit = Math.max(1, got.daily_limit);
    return [
      called,
      el('div.used', {}, el('span', { t: () => t('quota_of', number(got.used), number(got.daily_limit)) }),
        el('meter', { max: limit, high: limit * NEARLY, optimum: 0, value: got.used, label: () => t('quota_meter', what ? t(what) : path) })),
      el(scarce ? 'strong.warnText' : 'span', { t: () => number(got.left) }),
      got.rate ? el('span', { t: () => t('quota_per', number(got.rate.calls), number(got.rate.seconds)) }) : el('span.quiet', { t: 'quota_free' }),
    ];
  }
  const askFor = (path) => call('GET', `channels/${id}/quota?path=${encodeURIComponent(path)}`);

  async function look() {
    if (again.disabled) return;
    const focused = document.activeElement === again;
    again.disabled = true;
    tell(at, 'quota_asking');
    const wanted = [...PATHS, ...others.map((path) => [path])];
    const rows = await Promise.all(wanted.map(([path, what]) => askFor(path).then((got) => ({ got }), (p) => ({ problem: p.message, status: p.status }))
      .then((answer) => ({ id: path, path, what, ...answer }))));
    again.disabled = false;
    if (focused) again.focus();
    // Where nothing was answered one sentence says why.
    const silent = rows.every((row) => !row.got);
    trouble.replaceChildren(...(silent ? [note('bad', el('p', { t: 'quota_none' }), el('p', { t: () => rows[0].problem }))] : []));
    calls.hidden = silent;
    if (!silent) calls.fill(rows, cells);
    const read = now();
    tell(at, silent ? '' : () => t('quota_at', date('second', read)));
    if (rows.some((row) => row.status === 401)) asked = false;
  }

  // Another path: it stays in the table.
  const path = field('quota_other_path', text({ className: 'code', maxLength: 128 }), 'quota_other_hint');
  const other = form({ path }, async () => {
    const wanted = path.input.value.trim();
    await askFor(wanted);
    if (!others.includes(wanted) && !PATHS.some(([known]) => known === wanted)) others.push(wanted);
    await look();
    path.input.value = '';
  }, 'quota_other_ask', path);

  // One call, by its rid.
  const rid = field('rid_field', text({ className: 'code' }), 'rid_hint');
  const found = el('div', { 'aria-live': 'polite' });
  const lookUp = form({ rid }, async () => {
    found.replaceChildren();
    const [wanted] = /[0-9a-f]{8}(-[0-9a-f]{6,})+/.exec(rid.input.value) || [];
    if (!wanted) throw faults('rid', 'rid_wrong');
    let got;
    try {
      got = await call('GET', `channels/${id}/rid/${wanted}`);
    } catch (p) {
      throw p.status === 401 ? p : faults('rid', () => p.message);
    }
    rid.input.value = wanted;
    found.replaceChildren(facts(
      ['time', moment(got.time, c.time_zone)], ['rid_path', el('code', {}, got.path)], ['rid_caller', el('code', {}, got.caller)],
      ['rid_took', el('span', { t: () => t('rid_ms', number(got.took_ms)) })],
      ['rid_code', got.code === 0 ? el('span', { t: 'rid_ok' }) : got.code === null ? el('span.quiet', { t: 'rid_unknown' }) : el('strong.badText', { t: () => `${got.code}` })]));
  }, 'rid_ask', rid);

  // What goes in words, because WeChat refused it.
  const kinds = el('ul.plainList');
  const kindsSaid = el('p', { role: 'status' });
  const forget = button('kinds_forget', async () => {
    forget.disabled = true;
    try {
      await call('DELETE', `channels/${id}/capabilities`);
      await lookAtKinds();
      tell(kindsSaid, 'kinds_forgotten');
    } catch (p) {
      tell(kindsSaid, () => p.message);
    }
    forget.disabled = false;
  });
  async function lookAtKinds() {
    const { in_words: rows } = await call('GET', `channels/${id}/capabilities`);
    forget.hidden = !rows.length;
    kinds.replaceChildren(...(rows.length ? rows.map((row) => el('li', { 'data-kind': row.kind }, el('span', { t: `kind_${row.kind}` }), ' ', el('span.quiet', { t: () => t('kinds_until', date('day', Date.parse(row.until), c.time_zone)) })))
      : [el('li.quiet', { t: 'kinds_none' })]));
  }

  const clear = () => ask({
    title: 'quota_clear_title', about: ['quota_clear_1', 'quota_clear_2'], yes: 'quota_clear', danger: true,
    confirm: { what: ['remove_type', id], text: id, wrong: 'remove_typed' },
    act: async () => {
      await call('POST', `channels/${id}/quota/clear`, { confirm: id });
      tell(cleared, 'quota_cleared');
      await look();
    },
  });
  const cleared = el('p', { role: 'status' });

  function build() {
    wait.replaceWith(
      el('section.card', { id: 'calls' }, el('div.cardHead', {}, el('h2', { t: 'quota_calls' }), again), el('p.quiet', { t: 'quota_what' }), trouble, calls, at,
        el('details', {}, el('summary', { t: 'quota_other' }), other)),
      el('section.card', { id: 'kinds' }, el('div.cardHead', {}, el('h2', { t: 'kinds' }), forget), el('p.quiet', { t: 'kinds_what' }), kinds, kindsSaid),
      el('section.card', { id: 'rid' }, el('h2', { t: 'rid' }), el('p.quiet', { t: 'rid_what' }), lookUp, found),
      el('section.card', { id: 'clear' }, el('div.row.first', {}, el('p', { t: 'quota_clear_what' }), button('quota_clear', clear, '.danger')), cleared));
    calls.hidden = true;
  }

  return {
    async load() {
      if (!c) {
        c = await accountOf(id);
        if (!c) return;
        build();
      }
      if (asked) return;
      asked = true;
      await Promise.all([look(), lookAtKinds()]);
    },
  };
}
PAGES.quota = quotaPage;
