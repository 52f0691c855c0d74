
// The account's menu: what WeChat has of it, and beside that what an operator is writing,
// kept in this browser until it is published or dropped.
//
// Every look at WeChat's takes one of the account's calls of the day: nobody looks unless asked.

const PLATFORMS = [['1', 'iOS'], ['2', 'Android'], ['3', 'some_other']];
const LANGUAGES = 'zh_CN zh_TW zh_HK en id ms es ko it ja pl pt ru th vi ar hi he tr de fr'.split(' ');
const PAUSE = 400; // in ms, between what is typed last and its check

function languageName(tag) {
  try {
    return new Intl.DisplayNames(intl.tag, { type: 'language' }).of(tag.replace('_', '-'));
  } catch { return tag; }
}
function ruleInWords(rule) {
  const said = {
    tag_id: (id) => t('colon', t('some_tag'), id),
    client_platform_type: (type) => {
      const found = PLATFORMS.find(([value]) => value === `${type}`)?.[1] || `${type}`;
      return t('colon', t('some_platform'), found in WORDS ? t(found) : found);
    },
    language: (tag) => t('colon', t('some_language'), languageName(`${tag}`)),
  };
  return Object.entries(rule || {}).filter(([, value]) => value !== '').map(([name, value]) => (said[name] ? said[name](value) : t('colon', name, `${value}`))).join(t('comma'));
}
const selected = (what, options) => field(what, el('select', {}, ...options.map(([value, how]) => el('option', { value, t: how }))));

function menuPage(id) {
  const path = `channels/${id}/menu`;
  const store = `magpie:menu:${id}`;
  const kept = keptItem(store) || {}; // of this browser: `rows` and `over`, `some`
  let c;
  let published; // null: there is none; undefined: nobody knows
  let some = []; // those with a rule
  let readAt = null;
  let looked = false;

  const keep = () => keepItem(store, kept.rows || kept.some ? kept : null);
  const inWords = (menu) => outline(listOf(menu?.button));
  const sameAs = (menu) => JSON.stringify(buttonsOf(edited(menu)));
  const isDirty = () => kept.rows !== undefined;
  window.addEventListener('beforeunload', (e) => { if (isDirty() || kept.some) e.preventDefault(); });

  const wait = el('p.quiet', { t: 'loading' });
  ui.body.append(ways(id, 'menu'), wait);
  heading('menu');

  // What is typed is checked by the server a moment after; the newest question counts.
  function checked(editor, state, quiet) {
    let asked = 0;
    let timer;
    let inLang;
    async function run() {
      clearTimeout(timer);
      const mine = asked += 1;
      inLang = lang;
      let errors = [];
      try {
        await call('POST', `${path}/check`, { button: editor.buttons() });
      } catch (p) {
        if (mine !== asked) return null;
        if (!p.errors.length) {
          tell(state, () => t('menu_unchecked', p.message));
          throw p;
        }
        errors = p.errors;
      }
      if (mine !== asked) return null;
      const seen = editor.tell(errors);
      tell(state, seen ? ['menu_faults', seen] : quiet);
      state.classList.toggle('badText', seen > 0);
      return errors;
    }
    // Words of the server are asked for again in another language.
    editor.says = { inLang: () => { if (inLang && inLang !== lang) soon(); } };
    function soon() {
      clearTimeout(timer);
      asked += 1;
      timer = setTimeout(() => run().catch(() => {}), PAUSE);
    }
    return { soon, run };
  }

  // The one for everybody.
  const state = el('p.quiet', { role: 'status' });
  let done = ''; // what was just done
  const quiet = () => (published === undefined && !isDirty() ? '' : t(done || (isDirty() ? 'menu_dirty' : published ? 'menu_same' : 'menu_none')));
  const editor = menuEditor('menu_all', () => {
    done = '';
    const now = JSON.stringify(editor.buttons());
    if (now === sameAs(published)) delete kept.rows;
    else {
      if (!isDirty()) kept.over = sameAs(published);
      kept.rows = editor.get();
    }
    keep();
    draw();
    check.soon();
  });
  const check = checked(editor, state, quiet);
  const wrong = el('p.problem', { role: 'alert' });
  const moved = el('div');
  const at = el('p.quiet');
  const publishing = el('button.main', { type: 'button', t: 'publish', onclick: publish });
  const dropping = button('menu_drop', () => drop());
  const again = button('menu_again', () => read());
  const title = el('h2', { t: 'menu_all', tabIndex: -1 });
  const reading = el('div', { 'aria-live': 'polite' });

  function draw() {
    state.says?.textContent();
    dropping.hidden = !isDirty();
    const elsewhere = isDirty() && published !== undefined && kept.over !== sameAs(published);
    sync(moved, elsewhere ? [{ id: 'moved', published }] : [], () => note('warn', el('p', { t: 'menu_moved' }),
      published && el('p', { t: () => t('menu_now', inWords(published)) })));
  }
  // What is written here is what WeChat has.
  function settle(how = '') {
    done = how;
    delete kept.rows;
    delete kept.over;
    keep();
    if (JSON.stringify(editor.buttons()) !== sameAs(published)) editor.set(edited(published));
    else editor.tell([]);
    tell(state, quiet);
    state.classList.remove('badText');
    draw();
  }
  // What a dialog was about is done: its opener may be gone.
  function leadTo(node) {
    ui.dialog.close();
    node.focus();
  }

  async function read() {
    if (again.disabled) return;
    again.disabled = true;
    const focused = document.activeElement === again;
    reading.replaceChildren(el('p.quiet', { t: 'menu_reading' }));
    try {
      const got = await call('GET', path);
      ({ menu: published, conditional: some } = got);
      readAt = now();
      tell(at, () => t('menu_read', date('second', readAt)));
      reading.replaceChildren();
      if (!isDirty() || JSON.stringify(editor.buttons()) === sameAs(published)) settle();
      else draw();
      drawSome();
    } catch (p) {
      // Whoever signs in again has it read then.
      looked = p.status !== 401;
      reading.replaceChildren(looked ? note('bad', el('p', { t: 'menu_unread' }), el('p', { t: () => p.message })) : '');
    } finally {
      again.disabled = false;
      if (focused) again.focus();
    }
  }

  async function publish() {
    tell(wrong, '');
    if (published && !isDirty()) return tell(wrong, 'menu_same');
    try {
      if (!editor.get().length) return tell(wrong, 'menu_none');
      const errors = await check.run();
      if (errors?.length) {
        editor.lead();
        return tell(state, ['menu_faults', editor.tell(errors)]);
      }
    } catch (p) {
      return tell(wrong, () => p.message);
    }
    const buttons = editor.buttons();
    return ask({
      title: 'publish_title',
      about: [
        () => (published ? t('publish_over', inWords(published)) : t(published === null ? 'publish_first' : 'publish_blind')),
        () => t('publish_new', outline(buttons)), 'publish_soon',
      ],
      yes: 'publish',
      act: async () => {
        await call('PUT', path, { button: buttons });
        published = { button: buttons };
        settle('published');
        drawSome();
        leadTo(title);
      },
    });
  }

  const drop = () => ask({
    title: 'menu_drop_title', about: ['menu_drop_what'], yes: 'menu_drop', danger: true,
    act: async () => {
      settle('menu_dropped');
      tell(wrong, '');
      leadTo(title);
    },
  });

  const remove = () => ask({
    title: 'menu_delete_title', about: ['menu_delete_1', ...(some.length ? [['menu_delete_2', some.length]] : [])], yes: 'menu_delete', danger: true,
    act: async () => {
      await call('DELETE', path);
      published = null;
      some = [];
      settle('menu_deleted');
      drawSome();
      leadTo(title);
    },
  });

  // Those for some: as WeChat changes none, there are a list and a form for another.
  const list = el('ul.cards');
  const none = el('p.quiet');
  const place = el('div');
  const adding = button('some_new', () => begin({ rows: edited(published), rule: {} }));
  let writing = null; // the form, while there is one

  function drawSome() {
    tell(none, published === null ? 'some_first' : 'some_none');
    none.hidden = published !== null && (some.length > 0 || published === undefined);
    adding.hidden = !published || !!writing;
    sync(list, some.map((one) => ({ id: `${one.menuid}`, one })), ({ one }) => el('li.group', {},
      el('div.groupHead', {},
        el('div', {}, el('h3', { t: () => ruleInWords(one.matchrule) }), el('p', { t: () => inWords(one) })),
        el('div.does', {},
          el('button', { type: 'button', t: 'some_copy', label: () => t('colon', t('some_copy'), ruleInWords(one.matchrule)), 'data-do': 'copy', onclick: () => copyOf(one) }),
          el('button.danger', { type: 'button', t: 'some_delete', label: () => t('colon', t('some_delete'), ruleInWords(one.matchrule)), 'data-do': 'delete', onclick: () => removeSome(one) })))));
  }
  function copyOf(one) {
    const act = async () => {
      ui.dialog.close();
      begin({ rows: edited(one), rule: { ...one.matchrule } });
    };
    return writing ? ask({ title: 'some_copy_over', about: ['some_copy_what'], yes: 'some_copy', danger: true, act }) : act();
  }
  function begin(draft) {
    kept.some = draft;
    keep();
    write();
    writing.title.focus();
  }
  function end() {
    delete kept.some;
    keep();
    writing = null;
    place.replaceChildren();
    drawSome();
  }

  function write() {
    const { rule } = kept.some;
    const whose = el('p.quiet', { role: 'status' });
    const own = menuEditor('some_title', () => { keep(); checks.soon(); });
    const checks = checked(own, whose, 'menu_dirty');
    const any = ['', 'some_any'];
    const fields = {
      'matchrule.tag_id': field('some_tag', text({ inputMode: 'numeric', maxLength: 10 }), 'some_tag_what'),
      'matchrule.client_platform_type': selected('some_platform', [any, ...PLATFORMS.map(([value, how]) => [value, how in WORDS ? how : () => how])]),
      'matchrule.language': selected('some_language', [any, ...LANGUAGES.map((tag) => [tag, () => languageName(tag)])]),
    };
    for (const [name, f] of Object.entries(fields)) {
      const of = name.split('.')[1];
      f.input.value = rule[of] || '';
      f.input.addEventListener('input', () => { rule[of] = f.input.value.trim(); keep(); });
    }
    const head = el('h3', { t: 'some_title', tabIndex: -1 });
    const said = () => Object.fromEntries(Object.keys(fields).map((name) => name.split('.')[1]).filter((of) => rule[of]).map((of) => [of, rule[of]]));
    const send = async () => {
      const errors = await checks.run();
      if (errors?.length || !own.get().length) {
        own.lead();
        throw problem(400, t(own.get().length ? 'menu_faults' : 'menu_none', own.tell(errors || [])));
      }
      const matchrule = said();
      if (!/^\d*$/.test(matchrule.tag_id || '')) throw faults('matchrule.tag_id', 'some_tag_what');
      if (!Object.keys(matchrule).length) throw faults('matchrule.tag_id', 'some_rule');
      const body = { button: own.buttons(), matchrule };
      ask({
        title: 'some_add_title',
        about: [() => t('some_add_who', ruleInWords(matchrule)), () => t('publish_new', outline(body.button))],
        yes: 'some_add',
        act: async () => {
          const { menuid } = await call('POST', `${path}/conditional`, body);
          some = [...some, { ...body, menuid }];
          end();
          announce('some_added');
          leadTo(ofSome);
        },
      });
    };
    const box = form(fields, send, 'some_add', own, el('fieldset.field.fields', {}, el('legend', { t: 'some_who' }), ...Object.values(fields)));
    box.go.after(button('some_drop', () => ask({
      title: 'some_drop', about: ['some_copy_what'], yes: 'some_drop', danger: true,
      act: async () => { end(); leadTo(ofSome); },
    })));
    place.replaceChildren(el('div.group', {}, head, whose, box));
    own.set(kept.some.rows);
    writing = { title: head };
    drawSome();
  }

  const removeSome = (one) => ask({
    title: 'some_delete_title', about: [() => t('some_delete_what', ruleInWords(one.matchrule)), 'publish_soon'], yes: 'some_delete', danger: true,
    act: async () => {
      await call('DELETE', `${path}/conditional/${one.menuid}`);
      some = some.filter((other) => other !== one);
      drawSome();
      announce('some_deleted');
      leadTo(ofSome);
    },
  });
  const ofSome = el('h2', { t: 'some', tabIndex: -1 });

  function build() {
    wait.replaceWith(
      el('section.card', { id: 'everybody' }, el('div.cardHead', {}, title, again), el('p.quiet', { t: 'menu_what' }), reading, moved, editor,
        state, wrong, el('div.does', {}, publishing, dropping), at, el('p.quiet', { t: 'menu_source' })),
      el('section.card', { id: 'some' }, ofSome, el('p.quiet', { t: 'some_what' }), none, list, place, adding, el('p.quiet', { t: 'some_fixed' })),
      el('section.card', {}, el('div.row.first', {}, el('p', { t: 'menu_delete_what' }), button('menu_delete', remove, '.danger'))));
    tell(state, quiet);
    editor.set(kept.rows || []);
    if (kept.rows) check.soon();
    if (kept.some) write();
    drawSome();
    draw();
  }

  return {
    async load() {
      if (!c) {
        c = await accountOf(id);
        if (!c) return;
        build();
      }
      if (looked) return;
      looked = true;
      await read();
    },
  };
}
PAGES.menu = menuPage;
