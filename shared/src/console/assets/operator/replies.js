
// What the account says by itself in the answers to WeChat's pushes. Words are written
// here; pictures and the like are set through the API, and stay until words take
// their place.
function replyField(what, hint, now) {
  let other = now && now.kind !== 'text' && now;
  const input = el('textarea', { rows: 2, maxLength: 512, value: now?.text || '' });
  const node = field(what, input, hint);
  if (other) {
    tell(input, ['reply_other', now.kind], 'placeholder');
    const drop = button('reply_clear', () => { other = null; tell(input, '', 'placeholder'); drop.remove(); input.focus(); });
    node.append(drop);
  }
  return Object.assign(node, {
    get() {
      const said = input.value.trim();
      return said ? { kind: 'text', text: said } : other || null;
    },
  });
}

function repliesSection(id, c, take) {
  const now = c.replies;
  const welcome = replyField('reply_welcome', 'reply_welcome_hint', now.welcome);
  const first = replyField('reply_first', 'reply_first_hint', now.first_message);
  const received = replyField('reply_received', 'reply_received_hint', now.acknowledge);
  const rides = el('input', { type: 'checkbox', checked: !!now.held_answers });
  const rows = el('div.fields');
  function addScene(scene = '', reply = null) {
    const name = field('reply_scene', text({ value: scene, maxLength: 64, className: 'code' }));
    const words = replyField('reply_scene_words', null, reply);
    const row = el('div.note', {}, el('div.fields', {}, name, words, button('reply_drop', () => { row.remove(); more.focus(); })));
    Object.assign(row, { name, words, read: () => [name.input.value.trim(), words.get()] });
    rows.append(row);
    return name.input;
  }
  const more = button('reply_add', () => addScene().focus());
  for (const [scene, reply] of Object.entries(now.scenes || {})) addScene(scene, reply);
  const send = async () => {
    const scenes = {};
    for (const row of rows.children) {
      const [scene, reply] = row.read();
      tell(row.name.fault, '');
      tell(row.words.fault, '');
      if (!scene && !reply) continue;
      const at = !scene || scenes[scene] ? row.name : row.words;
      if (!scene || scenes[scene] || !reply) {
        tell(at.fault, !scene ? 'reply_no_scene' : scenes[scene] ? 'reply_twice' : 'reply_no_words');
        throw problem(400, t('reply_half'), {});
      }
      scenes[scene] = reply;
    }
    const put = await change(id, (body) => {
      body.replies = {
        welcome: welcome.get(), first_message: first.get(), acknowledge: received.get(), held_answers: rides.checked,
        scenes,
      };
    });
    take(put);
    const fresh = repliesSection(id, put, take);
    document.getElementById('replies').replaceWith(fresh);
    const sent = fresh.querySelector('form');
    tell(sent.said, 'saved_soon');
    sent.go.focus();
  };
  const fields = { 'replies.welcome.text': welcome, 'replies.first_message.text': first, 'replies.acknowledge.text': received };
  return el('section.card', { id: 'replies' }, el('h2', { t: 'replies' }), el('p.quiet', { t: 'replies_what' }),
    form(fields, send, 'save', welcome,
      el('details', { open: rows.children.length > 0 }, el('summary', { t: 'reply_scenes' }), el('p.quiet', { t: 'reply_scenes_what' }), rows, more),
      first, received,
      el('div.field', {}, el('label.radio', {}, rides, el('span', {}, el('span', { t: 'reply_rides' }), el('span.quiet', { t: 'reply_rides_what' }))))));
}
