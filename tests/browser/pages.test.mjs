// Every page in both languages, on a wide and on a narrow screen: whoever cannot see it
// well, or has no mouse, can use it. A picture of each goes to the artefacts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits, becomes, picture, says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

// What takes input or is pressed, by the roles that Chromium gives it.
const OPERATED = ['button', 'checkbox', 'combobox', 'link', 'listbox', 'radio', 'searchbox', 'spinbutton', 'switch', 'textbox', 'DisclosureTriangle'];
const DARK = ['conversation', 'customer', 'channel', 'menu', 'codes', 'quota', 'status', 'phone'];

/** What Chromium tells a screen reader that can be operated, by role and name. */
async function operated(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const shown = nodes.filter((node) => !node.ignored && OPERATED.includes(node.role.value));
  return shown.map((node) => ({ role: node.role.value, name: node.name?.value.trim() ?? '' }));
}

/** Walks through the page by Tab; each stop with its outline, until it begins anew. */
async function stops(page) {
  await page.evaluate(() => {
    // Tab goes on from the last place that had the focus: now that is the page's beginning,
    // or that of the dialog which keeps people from the page.
    const start = document.querySelector('dialog:modal') ?? document.body;
    start.tabIndex = -1;
    start.focus();
    start.removeAttribute('tabindex');
    for (const node of document.querySelectorAll('[data-stopped]')) delete node.dataset.stopped;
  });
  const found = [];
  for (let presses = 0; presses < 100; presses += 1) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const node = document.activeElement;
      if (node === document.body || node.dataset.stopped) return null;
      node.dataset.stopped = 'yes';
      const { outlineStyle, outlineWidth } = getComputedStyle(node);
      const seen = node.matches(':focus-visible') && outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
      return { what: `${node.localName}#${node.id} ${node.textContent.trim().slice(0, 20)}`, seen };
    });
    if (!stop) return found;
    found.push(stop);
  }
  return assert.fail('Tab never comes around');
}

async function faults(page, lang) {
  const found = [];
  const html = await page.getAttribute('html', 'lang');
  if (html !== { en: 'en', zh: 'zh-CN' }[lang]) found.push(`lang is ${html}`);
  if (!await page.title()) found.push('there is no title');
  const headings = await page.locator('h1:visible').count();
  if (headings !== 1) found.push(`there are ${headings} h1`);
  const all = await operated(page);
  if (!all.length) found.push('nothing can be operated');
  for (const { role, name } of all) if (!name) found.push(`a ${role} has no name`);
  const walked = await stops(page);
  if (!walked.length) found.push('Tab leads nowhere');
  for (const { what, seen } of walked) if (!seen) found.push(`no focus is seen on ${what}`);
  return found;
}

// A conversation that went well, one that waits, one whose answer WeChat refused.
async function aWorkingDay(world, look) {
  const customer = await Customer.of(world, look);
  const agent = await Agent.byKey(world, look);
  for (const [name, question] of [['Chen', 'Hi, are you open on Sunday?'], ['阿丽', '请问有红色的吗？'], ['小明', '你好，昨天的订单什么时候发货？']]) {
    await customer.is(name);
    await customer.says(question);
  }
  await becomes(() => agent.sessions.count(), 3);
  await agent.opens();
  await agent.answers('您好，今天下午发出。');
  await customer.hears('您好，今天下午发出。');
  const { app_id: account } = world.magpie.account;
  const refuse = (kind) => fetch(`${world.magpie.wechat}/sim/kind`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-magpie-phone': '1' }, body: JSON.stringify({ account, kind }),
  });
  await refuse('subscription');
  await agent.answers('Anything else?');
  await agent.page.locator('#lines .why').waitFor();
  await refuse('service');
  // The account has a menu, one for some, and a code.
  const sets = async (method, path, body) => {
    const { desk, adminKey } = world.magpie;
    const answer = await fetch(`${desk}/api/channels/demo/${path}`, {
      method, headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
    });
    assert.ok(answer.ok, `${path}: ${answer.status}`);
  };
  const button = [{ name: '门店', type: 'click', key: 'shops' }, {
    name: '更多', sub_button: [{ name: '官网', type: 'view', url: 'https://shop.example/' }, { name: '小程序商城', type: 'miniprogram', url: 'https://shop.example/', appid: 'wx0123456789abcdef', pagepath: 'pages/index' }],
  }];
  await sets('PUT', 'menu', { button });
  await sets('POST', 'menu/conditional', { button: button.slice(0, 1), matchrule: { language: 'en' } });
  await sets('POST', 'qrcodes', { scene: 'counter_3', name: '三号柜台' });
  return { customer, agent };
}

for (const lang of ['en', 'zh']) {
  for (const width of [1280, 360]) {
    test(`the pages in ${lang} at ${width} px`, (t) => scenario({}, async (world) => {
      const look = { lang, width, height: width < 720 ? 740 : 800 };
      const { customer, agent } = await aWorkingDay(world, look);
      const stranger = await (await world.person(look)).newPage();
      const { desk } = world.magpie;
      const at = (path, ready) => async () => {
        await agent.page.goto(`${desk}/console/${path}`);
        await agent.page.locator(ready).first().waitFor();
        return agent.page;
      };
      agent.page.on('dialog', (dialog) => dialog.accept());
      const talk = await agent.sessions.first().getAttribute('href');
      const pages = {
        sign_in: async () => {
          await stranger.goto(`${desk}/console/`);
          await stranger.locator('#key').waitFor();
          return stranger;
        },
        inbox: async () => {
          const page = await at('', '#list a')();
          await page.goto(`${desk}/console/#`);
          await becomes(() => page.locator('#list a').count(), 3);
          return page;
        },
        conversation: async () => {
          const page = await at(talk, '#lines .msg')();
          await becomes(() => page.locator('#lines .msg').count(), 3);
          return page;
        },
        customer: async () => {
          const page = await at(talk, '#lines .msg')();
          await page.locator('#details').click();
          await page.locator('#peopleTag').waitFor();
          return page;
        },
        channels: at('channels', '#body h2 a'),
        new_channel: at('channels/new', '#body form'),
        channel: at('channels/demo', '#care button'),
        menu: async () => {
          const page = await at('channels/demo/menu', '#some .group')();
          await page.locator('.face bdi', { hasText: '小程序商城' }).click();
          await page.locator('#some > button').click();
          return page;
        },
        codes: async () => {
          const page = await at('channels/demo/codes', '.codeCard img')();
          await page.locator('#make summary').click();
          return page;
        },
        quota: at('channels/demo/quota', '#calls meter'),
        try_it: at('channels/new#demo', '#body .waits'),
        status: at('status', '#dead .group button'),
        phone: async () => customer.page,
        wechats_side: async () => {
          await customer.page.locator('details').evaluateAll((all) => { for (const one of all) one.open = true; });
          if (width < 720) await customer.page.locator('#more').click();
          return customer.page;
        },
      };
      for (const [name, open] of Object.entries(pages)) {
        await t.test(name, async () => {
          const page = await open();
          await picture(page, `${name}-${lang}-${width}-light`, { fullPage: true });
          if (DARK.includes(name)) {
            await page.emulateMedia({ colorScheme: 'dark' });
            await picture(page, `${name}-${lang}-${width}-dark`, { fullPage: true });
            await page.emulateMedia({ colorScheme: 'light' });
          }
          assert.deepEqual(await faults(page, lang), []);
          await assertFits(page);
        });
      }
    }));
  }
}

test('the sign-in page says what is wrong with a key, in the language that is chosen', () => scenario({}, async (world) => {
  const stranger = await (await world.person()).newPage();
  world.complaints.expect(/401 \(Unauthorized\) \/api\/channels/);
  world.complaints.expect(/401 \(Unauthorized\) \/api\/session/);
  await stranger.goto(`${world.magpie.desk}/console/`);
  await stranger.locator('#key').fill('not the admin key');
  await stranger.locator('#key').press('Enter');
  await says(stranger.locator('#gateProblem'), 'This key is not right: check it and try again.');
  await stranger.locator('#lang').click();
  await says(stranger.locator('#gate h1'), '登录 Magpie');
  assert.equal(await stranger.locator('#app').isVisible(), false);
}));
