
// What WeChat told of the account itself, newest first.

function eventsPage(id) {
  const path = `channels/${id}/events`;
  let c;
  let wanted = 50;
  let built = false;
  heading('events');
  const wait = el('p.quiet', { t: 'loading' });
  ui.body.append(ways(id, 'events'), wait);
  const alarms = el('div');
  const none = el('p.quiet', { t: 'events_none' });
  const rows = table(['event_time', 'event_what', 'event_more']);
  const more = button('more', () => { wanted += 100; refresh(); });
  const number = (n) => intl.number.format(n);

  // What a line does not say: figures, why, until when, and where articles are.
  function details(data) {
    if (!data) return [];
    const told = [];
    if (typeof data.total === 'number') told.push(el('span', { t: () => t('event_counts', number(data.sent || 0), number(data.total)) }));
    if (typeof data.failed === 'number' && data.failed) told.push(el('span.badText', { t: () => t('event_failed', number(data.failed)) }));
    if (data.reason) told.push(el('span', {}, data.reason));
    if (data.expires) told.push(el('span', { t: () => t('alarm_until', date('date', data.expires * 1000, c.time_zone)) }));
    for (const { index, url } of data.articles || []) {
      if (/^https?:/.test(url || '')) told.push(el('a', { href: url, target: '_blank', rel: 'noopener noreferrer', t: () => t('event_article', number(index || 1)) }));
    }
    return told;
  }
  const cells = ({ event }) => {
    const told = details(event.data);
    return [
      moment(event.time, c.time_zone),
      el('div', {}, el(event.alarm ? 'strong.warnText' : 'span', { t: () => (lang === 'zh' ? event.text_zh : event.text_en) }), ' ', event.name && el('code.quiet', {}, event.name)),
      told.length ? el('div.chips', {}, ...told) : el('span', { t: 'dash' }),
    ];
  };

  return {
    async load() {
      const [one, got] = await Promise.all([accountOf(id), all(path, 'events', wanted).catch((p) => { if (p.status !== 404) throw p; })]);
      if (!one) return;
      c = one;
      if (!built) {
        built = true;
        wait.replaceWith(alarms, el('section.card', { id: 'list' }, el('h2', { t: 'events_list' }), el('p.quiet', { t: 'events_what' }), none, rows, more));
      }
      sync(alarms, alarmsOf(c), alarmNote);
      none.hidden = got.rows.length > 0;
      rows.hidden = !got.rows.length;
      more.hidden = !got.cursor;
      rows.fill(got.rows.map((event) => ({ id: event.id, event })), cells);
    },
  };
}
PAGES.events = eventsPage;
