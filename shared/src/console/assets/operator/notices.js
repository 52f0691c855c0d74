
// The templates by which an account may send notices, and the one that asks customers back.


function noticesPage(id) {
  let c;
  heading('notices');
  const wait = el('p.quiet', { t: 'loading' });
  ui.body.append(ways(id, 'notices'), wait);

  const known = table(['notice_title', 'notice_kind', 'notice_fields', '']);
  const trouble = el('div', { 'aria-live': 'polite' });
  const set = el('div');
  const said = el('p', { role: 'status' });

  function cells(one) {
    return [
      el('div', {}, el('b', {}, one.title), el('p.quiet', {}, one.example)), el('span', { t: one.kind }),
      el('code', {}, one.fields.join(', ')), button('notice_use', () => edit({ ...one, data: {} }), ''),
    ];
  }

  // What stands in a field at first, by what WeChat takes there.
  const guess = (name, first) => (/^(time|date)/.test(name) ? '{time}' : /^name/.test(name) ? '{agent}' : first ? '{words}' : '');

  function edit(chosen) {
    tell(said, '');
    const names = [...new Set([...(chosen.fields ?? []), ...Object.keys(chosen.data)])];
    const inputs = names.map((name, at) => {
      const value = chosen.data[name] ?? guess(name, !at);
      const input = field(() => name, text({ value, maxLength: 200 }));
      return [name, input];
    });
    const url = field('fallback_url', text({ value: chosen.url ?? '', maxLength: 1024, className: 'code' }));
    const hours = field('fallback_wait', text({ value: chosen.wait_hours ?? 48, inputMode: 'numeric' }), 'fallback_wait_hint');
    const first = inputs[0]?.[1] ?? url;
    const save = form({ 'fallback.data': first, 'fallback.url': url, 'fallback.wait_hours': hours }, async () => {
      const wait_hours = Number(hours.input.value);
      if (!Number.isInteger(wait_hours) || wait_hours < 1 || wait_hours > 168) throw faults('fallback.wait_hours', 'fallback_wait_wrong');
      const data = Object.fromEntries(inputs.map(([name, { input }]) => [name, input.value.trim()]).filter(([, value]) => value));
      const wanted = {
        kind: chosen.kind, template_id: chosen.template_id, title: chosen.title?.slice(0, 128) || null, data,
        url: url.input.value.trim() || null, mini_program: chosen.mini_program ?? null, wait_hours,
      };
      c = await change(id, (body) => { body.fallback = wanted; });
      show();
      tell(said, 'fallback_saved');
    }, 'fallback_save', ...inputs.map(([, node]) => node), el('p.quiet', { t: 'fallback_marks' }), url, hours);
    const remove = c.fallback && button('fallback_remove', async () => {
      c = await change(id, (body) => { body.fallback = null; });
      show();
      tell(said, 'fallback_removed');
    }, '.danger');
    set.replaceChildren(
      facts(['notice_title', el('b', {}, chosen.title ?? '')], ['notice_kind', el('span', { t: chosen.kind })], ['notice_id', el('code', {}, chosen.template_id)]),
      save, ...(remove ? [remove] : []));
    first.input.focus({ preventScroll: false });
  }

  function show() {
    if (c.fallback) edit(c.fallback);
    else set.replaceChildren(el('p', { t: 'fallback_off' }));
  }

  async function look() {
    try {
      const got = await call('GET', `channels/${id}/templates`);
      const rows = ['template', 'subscribe'].flatMap((kind) => (got[kind] ?? []).map((one) => ({ id: `${kind} ${one.template_id}`, kind, ...one })));
      known.hidden = !rows.length;
      known.fill(rows, cells);
      trouble.replaceChildren(...(rows.length ? [] : [el('p', { t: 'notice_none' })]));
    } catch (p) {
      if (p.status === 401) throw p;
      known.hidden = true;
      trouble.replaceChildren(note('bad', el('p', { t: () => p.message })));
    }
  }

  let asked = false;
  return {
    async load() {
      if (!c) {
        c = await accountOf(id);
        if (!c) return;
        wait.replaceWith(
          el('section.card', { id: 'templates' }, el('h2', { t: 'notice_list' }), el('p.quiet', { t: 'notice_what' }), trouble, known),
          el('section.card', { id: 'fallback' }, el('h2', { t: 'fallback' }), el('p.quiet', { t: 'fallback_what' }), set, said));
        show();
      }
      if (asked) return;
      await look();
      asked = true;
    },
  };
}
PAGES.notices = noticesPage;
