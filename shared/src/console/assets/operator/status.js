
const MOST_SHOWN = 100;
const FEW = 5; // dead entries of one cause that are shown without being asked for

function statusPage() {
  heading('status');
  const verdict = el('div');
  const totals = el('dl.totals');
  const channels = table(['channel', 'state', 'pending', 'oldest', 'lanes', 'dead', 'token_life']);
  const parked = table(['who', 'direction', 'cause', 'since', 'next_try', 'waiting']);
  const dead = el('div');
  const parkedNone = el('p.quiet', { t: 'lanes_none' });
  const deadNone = el('p.quiet', { t: 'dead_none' });
  const wanted = { parked: 20, dead: 50 };
  const moreParked = button('more', () => { wanted.parked += MOST_SHOWN; refresh(); });
  const moreDead = button('more', () => { wanted.dead += MOST_SHOWN; refresh(); });
  const at = el('p.quiet');
  const again = button('refresh', async () => { await refresh(); announce(() => at.textContent); });
  let known = new Map(); // the channels by id
  const nameOf = (id) => known.get(id)?.name || id;
  const zoneOf = (row) => known.get(row.channel)?.time_zone;
  ui.actions.append(again);
  const wait = el('p.quiet', { t: 'loading' });
  const byChannel = el('section.card', {}, el('h2', { t: 'by_channel' }), channels);
  const none = note('add', el('p', { t: 'none_title' }), link('add', '/console/channels/new', '.button.main'));
  const whole = el('div', { hidden: true },
    verdict, none, totals, at, byChannel,
    el('section.card', { id: 'dead' }, el('h2', { t: 'dead' }), el('p.quiet', { t: 'dead_what' }), deadNone, dead, moreDead),
    el('section.card', { id: 'lanes' }, el('h2', { t: 'lanes' }), el('p.quiet', { t: 'lanes_what' }), parkedNone, parked, moreParked));
  ui.body.append(wait, whole);
  const number = (n) => el('span', { t: () => intl.number.format(n) });
  const customer = (id) => (id ? el('a', { href: `/console/#c=${id}`, 'data-do': 'open', t: ['customer', id.slice(0, 4)] }) : el('span.quiet', { t: 'no_customer' }));
  const opened = new Map(); // of the groups of dead entries, by whoever reads
  const whom = (row) => el('span', {}, customer(row.customer_id), ' ', known.size > 1 && el('bdi.quiet', {}, nameOf(row.channel)));

  function channelCells({ s, c, soon }) {
    const life = (token) => {
      const until = Date.parse(token.expires);
      const node = el(soon ? 'time.warnText' : 'time', { dateTime: token.expires, t: () => t('token_until', span(until - now())) });
      return tell(node, () => date('full', until, c.time_zone), 'title');
    };
    return [
      el('a', { href: pageOf(c.id), 'data-do': 'open' }, el('bdi', {}, c.name)),
      el('span.chips', {}, ...chips(c, { ...s, pending: 0 })),
      number(s.pending), moment(s.oldest_pending, c.time_zone, 'dash'), number(s.parked_lanes),
      s.dead ? el('a.badText', { href: '#dead', t: () => intl.number.format(s.dead) }) : number(0),
      s.token ? life(s.token) : el('span.quiet', { t: 'token_none' }),
    ];
  }
  // What the other columns do not say.
  const ofChannel = (c, s) => states(c, { ...s, dead: 0, pending: 0 });

  function drawVerdict({ total }, rows) {
    const looks = rows.flatMap(({ c, s }) => ofChannel(c, s).map(([look]) => look));
    const look = total.dead || looks.includes('bad') ? 'bad' : looks.includes('warn') ? 'warn' : total.pending || total.parked_lanes ? 'held' : 'good';
    const lines = rows.map(({ c, s }) => ({ c: c.name, found: states(c, { ...s, pending: 0 }).filter(([is]) => is !== 'good') }))
      .filter(({ found }) => found.length);
    sync(verdict, [{ id: look, lines }], () => note(look,
      el('p', {}, el('strong', { t: { bad: 'look', warn: 'look', held: 'going_on', good: 'all_well' }[look] })),
      ...lines.map(({ c, found }) => el('p', { t: () => t('colon', c, found.map(([, how]) => words(how)).join(t('comma'))) })),
      look === 'good' && el('p', { t: 'all_well_what' })));
    sync(totals, [
      { id: 'pending', n: total.pending }, { id: 'oldest', stamp: total.oldest_pending },
      { id: 'lanes', n: total.parked_lanes }, { id: 'dead', n: total.dead },
    ], (one) => el(one.id === 'dead' && one.n ? 'div.badText' : 'div', {}, el('dt', { t: one.id }), el('dd', {}, one.id === 'oldest' ? moment(one.stamp, undefined, 'dash') : number(one.n))));
  }

  const parkedCells = ({ row, shut }) => [
    whom(row), el('span', { t: row.direction === 'in' ? 'way_in' : 'way_out' }), el('span', { t: () => row.reason[lang] }),
    moment(row.since, zoneOf(row), 'dash'), row.next_try ? moment(row.next_try, zoneOf(row)) : el('span', { t: shut ? 'when_back' : 'at_once' }), number(row.waiting),
  ];

  // Dead entries by channel and reason: one cause is mended once.
  function drawDead(rows) {
    const groups = new Map();
    for (const row of rows) {
      const id = `${row.channel} ${row.reason?.code || ''}`;
      if (!groups.has(id)) groups.set(id, { id, channel: row.channel, name: nameOf(row.channel), reason: row.reason, rows: [] });
      groups.get(id).rows.push(row);
    }
    sync(dead, [...groups.values()], (g) => {
      const list = table(['who', 'kind', 'direction', 'time', null]);
      list.fill(g.rows, (row) => [
        customer(row.customer_id), el('span', { t: `kind_${row.kind}` in WORDS ? `kind_${row.kind}` : 'kind_unknown' }), el('span', { t: row.direction === 'in' ? 'way_in' : 'way_out' }),
        moment(row.time, zoneOf(row)), el('button', { type: 'button', t: 'redrive', label: () => t('redrive_it', row.customer_id ? t('customer', row.customer_id.slice(0, 4)) : t('no_customer')), 'data-do': `redrive ${row.id}`, onclick: () => one(row) }),
      ]);
      const fold = el('details', { open: opened.get(g.id) ?? g.rows.length <= FEW }, el('summary', { t: ['shown_n', g.rows.length] }), list);
      fold.ontoggle = () => opened.set(g.id, fold.open);
      return el('section.group', {},
        el('div.groupHead', {},
          el('div', {}, el('h3', {}, el('bdi', {}, g.name)), el('p', { t: () => g.reason?.[lang] || '' })),
          g.reason && el('button', { type: 'button', t: 'redrive_all', 'data-do': 'redrive', onclick: () => everything(g) })),
        fold);
    });
  }

  const careful = (reason) => (reason?.code === 'uncertain' ? ['redrive_uncertain'] : []);
  const one = (row) => ask({
    title: 'redrive_one', about: [() => row.reason?.[lang] || '', ...careful(row.reason)], yes: 'redrive',
    act: async () => done((await call('POST', `dead/${row.id}/redrive`, {})).redriven),
  });
  const everything = (g) => ask({
    title: 'redrive_title', about: [() => t('redrive_which', g.name, g.reason[lang]), ...careful(g.reason)], yes: 'redrive_all',
    act: async (tellBox) => {
      let cursor, n = 0;
      do {
        const got = await call('POST', 'dead/redrive', { channel: g.channel, reason: g.reason.code, ...(cursor && { cursor }) });
        n += got.redriven;
        cursor = got.cursor;
        if (cursor) tellBox(['redriving', n]);
      } while (cursor && ui.dialog.open);
      done(n);
    },
  });
  function done(n) {
    announce(['redriven', n]);
    tell(said, ['redriven', n]);
    refresh();
  }
  const said = el('p', { role: 'status' });
  dead.before(said);

  return {
    async load() {
      const [status, list, lanes, gone] = await Promise.all([
        call('GET', 'status'), all('channels', 'channels'), all('parked', 'parked', wanted.parked), all('dead', 'dead', wanted.dead),
      ]);
      known = new Map(list.rows.map((c) => [c.id, c]));
      const rows = status.channels.filter((s) => known.has(s.channel)).map((s) => ({
        id: s.channel, c: known.get(s.channel), s, soon: s.token && Date.parse(s.token.expires) - now() < 5 * MINUTE,
      }));
      const read = Date.parse(status.time);
      tell(at, () => t('updated', date('second', read)));
      wait.hidden = true;
      whole.hidden = false;
      drawVerdict(status, rows);
      channels.fill(rows, channelCells);
      byChannel.hidden = !rows.length;
      verdict.hidden = !rows.length;
      none.hidden = rows.length > 0;
      parkedNone.hidden = lanes.rows.length > 0;
      parked.hidden = !lanes.rows.length;
      const shut = new Set(status.channels.filter((s) => s.suspended || s.desk_down).map((s) => s.channel));
      parked.fill(lanes.rows.map((row) => ({
        id: `${row.channel} ${row.customer_id} ${row.direction}`, row, shut: shut.has(row.channel),
      })), parkedCells);
      moreParked.hidden = !lanes.cursor;
      deadNone.hidden = gone.rows.length > 0;
      drawDead(gone.rows);
      moreDead.hidden = !gone.cursor;
    },
  };
}
PAGES.status = statusPage;
