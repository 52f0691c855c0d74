
// What a button does, and what it has beside its name.
const TAPS = {
  opens: ['does_opens'],
  view: ['does_view', 'url'],
  click: ['does_click', 'key'],
  miniprogram: ['does_miniprogram', 'appid', 'pagepath', 'url'],
  scancode_waitmsg: ['does_scancode_waitmsg', 'key'],
  scancode_push: ['does_scancode_push', 'key'],
  pic_sysphoto: ['does_pic_sysphoto', 'key'],
  pic_photo_or_album: ['does_pic_photo_or_album', 'key'],
  pic_weixin: ['does_pic_weixin', 'key'],
  location_select: ['does_location_select', 'key'],
  media_id: ['does_media_id', 'media_id'],
  view_limited: ['does_view_limited', 'media_id'],
  article_id: ['does_article_id', 'article_id'],
  article_view_limited: ['does_article_view_limited', 'article_id'],
};
// What each field is called, how many bytes it has at the most, and a line about it.
const TAP_FIELDS = {
  key: ['tap_key', 128, 'tap_key_what'],
  url: ['tap_url', 1024, 'tap_url_what'],
  appid: ['tap_appid', 32, 'tap_appid_what'],
  pagepath: ['tap_pagepath', 1024],
  media_id: ['tap_media_id', 128],
  article_id: ['tap_article_id', 128],
};
const MOST = { buttons: [3, 5], name: [16, 60] };
const utf8 = new TextEncoder();

// A menu as it is edited: what a button of another type would have stays with it until it
// is published, so that a type chosen by mistake loses nothing.
const listOf = (list) => (Array.isArray(list) ? list : []);
const edited = (menu) => listOf(menu?.button).map(({ sub_button: subs, ...one }) => ({ ...one, type: subs ? 'opens' : one.type, subs: listOf(subs).map((sub) => ({ ...sub })) }));
// The same as WeChat takes it.
function buttonsOf(rows) {
  return rows.map((one) => {
    const name = (one.name || '').trim();
    if (one.type === 'opens') return { name, sub_button: buttonsOf(one.subs) };
    const [, ...fields] = TAPS[one.type] || [];
    return { name, type: one.type, ...Object.fromEntries(fields.map((field) => [field, (one[field] || '').trim()])) };
  });
}
const outline = (buttons) => buttons.map((one) => (one.sub_button ? t('within', one.name, outline(one.sub_button)) : one.name)).join(t('comma'));

// Buttons in a preview of the phone, and the fields of the one that is chosen.
// `changed` is told of every change.
function menuEditor(name, changed) {
  let rows = [];
  let at = null; // the chosen button's place: [1], or [1, 0] for the first that it opens
  let faults = {}; // what the server found, by the place that it names
  let tried = false;
  let shown = null; // the fields of the chosen one
  const touched = new WeakMap();
  const columns = el('ol.columns');
  const panel = el('div.panel', { role: 'group' });
  const node = el('div.studio', {},
    el('div.mock', { role: 'group', label: () => t('colon', words(name), t('menu_preview')) }, el('p.quiet', { t: 'menu_preview', 'aria-hidden': 'true' }), columns), panel);

  const placeOf = ([i, j]) => `button[${i}]${j === undefined ? '' : `.sub_button[${j}]`}`;
  const listAt = (path) => (path.length === 1 ? rows : rows[path[0]].subs);
  const buttonAt = (path) => listAt(path)[path.at(-1)];
  const subsOf = (one) => (one.type === 'opens' ? one.subs : []);
  const everyPath = () => rows.flatMap((one, i) => [[i], ...subsOf(one).map((_, j) => [i, j])]);
  const titleOf = ([i, j]) => (j === undefined ? t('button_n', i + 1) : t('button_sub', i + 1, j + 1));
  // Whoever has not come to a field yet is not told that it is empty.
  const faultOf = (path, field) => {
    const one = buttonAt(path);
    const due = tried || (Array.isArray(one[field]) ? one[field].length : one[field]) || touched.get(one)?.has(field);
    return due ? faults[`${placeOf(path)}.${field}`] : undefined;
  };
  const isBad = (path) => ['name', 'type', 'sub_button', ...Object.keys(TAP_FIELDS)].some((field) => faultOf(path, field));

  function look(path) {
    const one = buttonAt(path);
    return { path, name: (one.name || '').trim(), bad: isBad(path), chosen: `${path}` === `${at}` };
  }
  function face({ path, name: said, bad, chosen }) {
    return el(`button.face${bad ? '.wrong' : ''}`, { type: 'button', 'data-do': `${path}`, 'aria-pressed': `${chosen}`, onclick: () => choose(path, 'reads') },
      said ? el('bdi', {}, said) : el('span.quiet', { t: 'button_unnamed' }), bad && icon('bad'), bad && el('span.hear', { t: 'button_bad' }));
  }
  const plus = (how, path) => el('button.face.plus', { type: 'button', 'data-do': `+${path}`, label: how, onclick: () => add(path) }, icon('add'));

  function draw() {
    const items = rows.map((one, i) => ({
      id: `${i}`, top: look([i]), opens: one.type === 'opens', subs: subsOf(one).map((_, j) => look([i, j])),
    }));
    if (rows.length < MOST.buttons[0]) items.push({ id: '+' });
    sync(columns, items, ({ id, top, opens, subs }) => (!top ? el('li.column', {}, plus('button_add', []))
      : el('li.column', {}, face(top), opens && el('ul', {}, ...subs.map((sub) => el('li', {}, face(sub))),
        subs.length < MOST.buttons[1] && el('li', {}, plus(['button_add_sub', Number(id) + 1], [Number(id)]))))));
    shown?.draw();
  }

  // `how` is what whoever chose it does next: reads it, or types.
  function choose(path, how) {
    at = path;
    shown = at && fieldsOf();
    panel.replaceChildren(...(shown ? shown.nodes : [el('p.quiet', { t: 'button_pick' })]));
    draw();
    if (how === 'types') shown.name.focus();
    if (how === 'reads') panel.scrollIntoView({ block: 'nearest' });
  }

  function add(above) {
    const list = above.length ? rows[above[0]].subs : rows;
    list.push({ name: '', type: 'view', subs: [] });
    changed();
    choose([...above, list.length - 1], 'types');
  }

  function drop() {
    const one = buttonAt(at);
    const act = async () => {
      ui.dialog.close();
      const list = listAt(at);
      const i = at.at(-1);
      list.splice(i, 1);
      faults = {};
      changed();
      const above = at.slice(0, -1);
      choose(list.length ? [...above, Math.min(i, list.length - 1)] : above.length ? above : null);
      (shown?.title || columns.querySelector('button')).focus();
    };
    if (one.type !== 'opens' || !one.subs.length) return act();
    return ask({ title: ['button_drop_title', one.name], about: [['button_drop_what', one.subs.length]], yes: 'button_drop', danger: true, act });
  }

  function move(by, pressed, other) {
    const list = listAt(at);
    const i = at.at(-1);
    [list[i], list[i + by]] = [list[i + by], list[i]];
    at = [...at.slice(0, -1), i + by];
    faults = {};
    changed();
    draw();
    if (pressed.disabled) other.focus();
    announce(() => titleOf(at));
  }

  // The fields of the chosen button. They stay as they are while it moves.
  function fieldsOf() {
    const one = buttonAt(at);
    const level = at.length - 1;
    const fields = {};
    if (!touched.has(one)) touched.set(one, new Set());
    function counted(key, what, most, about) {
      const input = text({ value: one[key] || '', className: key === 'name' ? '' : 'code' });
      const f = field(what, input, () => [t('bytes', utf8.encode(input.value.trim()).length, most), about && t(about)].filter(Boolean).join(' · '));
      const [, hint] = f.children;
      input.oninput = () => {
        one[key] = input.value;
        hint.says.textContent();
        changed();
        draw();
      };
      input.onblur = () => {
        if (!f.isConnected) return;
        touched.get(one).add(key);
        draw();
      };
      f.count = () => hint.classList.toggle('badText', utf8.encode(input.value.trim()).length > most);
      fields[key] = f;
      return f;
    }
    const title = el('h3', { tabIndex: -1, t: () => (at ? titleOf(at) : '') });
    const back = button(level ? 'button_up' : 'button_left', () => move(-1, back, forth));
    const forth = button(level ? 'button_down' : 'button_right', () => move(1, forth, back));
    const kinds = Object.keys(TAPS).filter((kind) => !level || kind !== 'opens');
    if (!kinds.includes(one.type)) kinds.push(one.type);
    const select = el('select', {}, ...kinds.map((kind) => el('option', { value: kind, t: TAPS[kind]?.[0] || (() => kind) })));
    select.value = one.type;
    const type = field('button_does', select);
    const rest = el('div.fields');
    function fit() {
      for (const field of Object.keys(TAP_FIELDS)) delete fields[field];
      delete fields.sub_button;
      const [, ...wanted] = TAPS[one.type] || [];
      rest.replaceChildren(...wanted.map((field) => {
        const [what, most, about] = TAP_FIELDS[field];
        return counted(field, what, most, one.type === 'miniprogram' && field === 'url' ? 'tap_url_old' : about);
      }));
      if (one.type !== 'opens') return;
      const more = button('button_add', () => add([at[0]]));
      const f = el('div.field', {}, el('div.does', {}, more), el('p.problem', { role: 'alert' }));
      fields.sub_button = Object.assign(f, { input: more, fault: f.lastChild });
      rest.append(f);
    }
    select.onchange = () => {
      one.type = select.value;
      if (one.type === 'opens') one.subs ||= [];
      fit();
      changed();
      draw();
    };
    const called = counted('name', 'button_name', MOST.name[level], 'bytes_name');
    fields.type = type;
    fit();
    return {
      title,
      name: called.input,
      fields,
      nodes: [el('div.cardHead', {}, title, el('div.does', {}, back, forth, button('button_drop', drop, '.danger'))), called, type, rest],
      draw() {
        title.says.textContent();
        back.disabled = at.at(-1) === 0;
        forth.disabled = at.at(-1) === listAt(at).length - 1;
        if (fields.sub_button) fields.sub_button.input.hidden = one.subs.length >= MOST.buttons[1];
        for (const [field, f] of Object.entries(fields)) {
          const why = faultOf(at, field);
          tell(f.fault, why && (() => why));
          f.input.ariaInvalid = why ? 'true' : null;
          f.count?.();
        }
      },
    };
  }

  return Object.assign(node, {
    get: () => rows,
    buttons: () => buttonsOf(rows),
    set(next) {
      rows = next;
      faults = {};
      tried = false;
      choose(rows.length ? [0] : null);
    },
    // Shows what the server found. How much of it is to be seen now is answered.
    tell(errors) {
      faults = Object.fromEntries(errors.map((e) => [e.field, e.detail]));
      draw();
      return everyPath().filter(isBad).length;
    },
    // Leads to the first place that is wrong, once somebody wants to publish.
    lead() {
      tried = true;
      const path = everyPath().find(isBad);
      if (!path) return draw();
      choose(path);
      const wrong = Object.entries(shown.fields).find(([field]) => faultOf(path, field));
      return wrong[1].input.focus();
    },
  });
}
