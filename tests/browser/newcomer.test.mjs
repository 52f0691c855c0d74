// The first five minutes: a customer writes, an agent answers, the phone shows it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits, becomes, picture, says, scenario, until } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

const COUNT = {
  en: (bytes, left) => new RegExp(`^${bytes} / 2,048 bytes · 1 message · ${left} of 5 left · window closes in 47 h$`),
  zh: (bytes, left) => new RegExp(`^${bytes} / 2,048 字节 · 1 条消息 · 剩余 ${left}/5 条 · 窗口 47 小时后关闭$`),
};
const TALK = {
  en: ['Hello', 'Hello! How can we help you?'],
  zh: ['你好', '您好，请问有什么可以帮您？'],
};
const bytes = (text) => Buffer.byteLength(text);
const nextSecond = () => {
  const second = Math.floor(Date.now() / 1000);
  return until('the next second', () => Math.floor(Date.now() / 1000) > second);
};

for (const look of [
  { lang: 'en', width: 1280, scheme: 'light' }, { lang: 'zh', width: 1280, scheme: 'dark' },
  { lang: 'zh', width: 360, height: 740, scheme: 'light' }, { lang: 'en', width: 360, height: 740, scheme: 'dark' },
]) {
  test(`a newcomer is answered (${look.lang}, ${look.width} px, ${look.scheme})`, () => scenario({}, async (world) => {
    const [question, answer] = TALK[look.lang].map((words) => world.markers.text(words));
    const agent = await Agent.byLink(world, look);
    const customer = await Customer.of(world, look);
    await says(agent.page.locator('#listEmpty'), { en: /^No sessions here/, zh: /^这里没有会话/ }[look.lang]);
    assert.equal(await agent.page.title(), 'Magpie');
    assert.ok(!agent.page.url().includes('link='), 'the link stays in the address bar');

    await customer.says(question);
    await agent.sees(question);
    await becomes(() => agent.page.title(), '(1) Magpie');
    await says(agent.sessions.locator('.badge'), { en: /^1 unread$/, zh: /^1 条未读$/ }[look.lang]);
    await agent.fits();

    await agent.opens();
    await agent.reads(`in ${question}`);
    await becomes(() => agent.page.title(), 'Magpie', 'the title of who has read everything');
    await agent.writes(answer);
    await says(agent.count, COUNT[look.lang](bytes(answer), 5));
    await agent.fits();
    await agent.send.click();

    await customer.hears(answer);
    await agent.reads(`in ${question}`, agent.delivered(answer));
    await agent.writes(answer);
    await says(agent.count, COUNT[look.lang](bytes(answer), 4));
    await agent.text.fill('');
    await assertFits(customer.page);
    await agent.fits();

    await agent.ends();
    await agent.fits();
    await customer.says(question);
    await agent.reads(`in ${question}`, agent.delivered(answer), `in ${question}`);
    await says(agent.page.locator('#end'), agent.lang.end);
  }));
}

test('an agent who changes the language keeps the conversation and the draft', () => scenario({}, async (world) => {
  const [question, draft] = [world.markers.text('你好'), world.markers.text('draft')];
  const agent = await Agent.byLink(world);
  const customer = await Customer.of(world, { lang: 'zh' });
  await customer.says(question);
  await agent.sees(question);
  await agent.opens();
  await agent.writes(draft);
  await agent.page.locator('#lang').click();

  await says(agent.send, '发送');
  await says(agent.count, COUNT.zh(bytes(draft), 5));
  assert.equal(await agent.page.getAttribute('html', 'lang'), 'zh-CN');
  assert.equal(await agent.text.inputValue(), draft);
  await agent.reads(`in ${question}`);

  await agent.page.reload();
  await agent.text.waitFor();
  await says(agent.send, '发送');
  await becomes(() => agent.text.inputValue(), draft, 'the draft that survives a reload');
  await agent.page.locator('#lang').click();
  await says(agent.send, 'Send');
  assert.equal(await agent.page.getAttribute('html', 'lang'), 'en');
}));

test('Enter that ends a composition sends nothing, a double click sends once', () => scenario({}, async (world) => {
  const [question, answer, next] = ['你好', '您好', '请稍等'].map((words) => world.markers.text(words));
  const agent = await Agent.byLink(world);
  const customer = await Customer.of(world);
  const sent = [];
  agent.page.on('request', (r) => { if (r.method() === 'POST' && r.url().endsWith('/messages')) sent.push(r); });
  const composing = (locator, how) => locator.evaluate((box, init) => {
    const enter = new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...init });
    box.dispatchEvent(enter);
    return enter.defaultPrevented;
  }, how);

  await customer.words.fill(question);
  for (const how of [{ isComposing: true }, { keyCode: 229 }]) {
    assert.equal(await composing(customer.words, how), false, 'the phone leaves Enter to the input method');
  }
  assert.deepEqual(await customer.said(), []);
  await customer.says(question);

  await agent.sees(question);
  await agent.opens();
  await agent.writes(answer);
  for (const how of [{ isComposing: true }, { keyCode: 229 }]) {
    assert.equal(await composing(agent.text, how), false, 'the inbox leaves Enter to the input method');
  }
  assert.equal(await agent.text.inputValue(), answer);
  assert.equal(sent.length, 0, 'nothing was sent while composing');

  await agent.send.dblclick();
  await customer.hears(answer);
  await agent.reads(`in ${question}`, agent.delivered(answer));
  assert.equal(sent.length, 1, 'a double click sends once');
  // The next answer would come after a second one, had there been one.
  await agent.answers(next);
  await customer.hears(answer, next);
}));

test('a customer who writes within the second of the answer is shown after it', () => scenario({}, async (world) => {
  const [question, answer, thanks] = ['你好', '您好', '谢谢'].map((words) => world.markers.text(words));
  const agent = await Agent.byLink(world);
  const customer = await Customer.of(world);
  await customer.says(question);
  await agent.sees(question);
  await agent.opens();
  await agent.writes(answer);
  await nextSecond();
  await agent.text.press('Enter');
  await customer.hears(answer);
  await customer.says(thanks);
  // A slow machine may be in the next second by now; console/tests/talks.rs is not.
  await agent.reads(`in ${question}`, agent.delivered(answer), `in ${thanks}`);
}));

test('times are told in the zone of the channel', () => scenario({}, async (world) => {
  const question = world.markers.text('你好');
  await world.magpie.changes('demo', { time_zone: 'Pacific/Honolulu' });
  const agent = await Agent.byLink(world);
  const customer = await Customer.of(world);
  const hour = () => new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', timeZone: 'Pacific/Honolulu' }).format();
  const before = hour();
  await customer.says(question);
  await agent.sees(question);
  await agent.opens();
  const time = agent.page.locator('#lines li.msg time');
  assert.ok([before, hour()].includes(await time.innerText()), 'the time of day where the channel is');
  assert.match(await time.getAttribute('title'), /GMT-10$/);
  await agent.page.goto(`${world.magpie.desk}/console/channels/demo`);
  assert.match(await agent.page.locator('time').first().getAttribute('title'), /GMT-10$/);
}));

test('by keyboard alone', () => scenario({}, async (world) => {
  const [question, answer] = [world.markers.text('你好'), world.markers.text('您好')];
  const agent = await Agent.byLink(world);
  const customer = await Customer.of(world);
  await customer.says(question);
  await agent.sees(question);

  const { keyboard } = agent.page;
  const focused = () => agent.page.evaluate(() => document.activeElement.closest('#list') ? 'a session' : document.activeElement.id);
  for (let presses = 0; await focused() !== 'a session'; presses += 1) {
    assert.ok(presses < 20, 'Tab reaches the session');
    await keyboard.press('Tab');
  }
  await keyboard.press('Enter');
  await becomes(focused, 'text', 'what has the focus once the conversation is open');
  world.markers.watch('text of an agent', answer);
  await keyboard.type(answer);
  await keyboard.press('Enter');
  await customer.hears(answer);
  await agent.reads(`in ${question}`, agent.delivered(answer));
  assert.equal(await focused(), 'text', 'the focus stays where the next answer is written');

  for (let presses = 0; await focused() !== 'end'; presses += 1) {
    assert.ok(presses < 10, 'Shift+Tab reaches the end of the session');
    await keyboard.press('Shift+Tab');
  }
  await keyboard.press('Enter');
  await becomes(focused, 'endingNo', 'what is proposed first');
  await keyboard.press('Tab');
  await keyboard.press('Enter');
  await says(agent.page.locator('#where'), /· ended$/);
}));

test('the pictures for the README', () => scenario({}, async (world) => {
  const customer = await Customer.of(world, { height: 840 });
  const agent = await Agent.byLink(world);
  const [hello, more, thanks] = ['Hi! Is the blue teapot still in stock?', 'Great. Can it be in Hangzhou by Friday?', 'Perfect, thank you!'];
  const [yes, when] = ['Hello! Yes, we have three left.', 'If you order today it ships this afternoon and arrives on Thursday.'];
  await customer.is('阿丽');
  await customer.says('Do you gift-wrap?');
  await customer.is('Chen');
  await customer.says('谢谢，已经收到了！');
  await customer.is('小明');
  await customer.says(hello);
  await becomes(() => agent.sessions.count(), 3);
  await agent.opens();
  await agent.answers(yes);
  await customer.says(more);
  await agent.answers(when);
  await customer.says(thanks);
  await agent.reads(`in ${hello}`, agent.delivered(yes), `in ${more}`, agent.delivered(when), `in ${thanks}`);
  await agent.text.fill('You are welcome. Enjoy your tea!');
  await says(agent.count, /^32 \/ 2,048 bytes · 1 message · 5 of 5 left/);
  await becomes(() => agent.page.title(), '(2) Magpie');
  await picture(agent.page, 'inbox');
  await customer.page.locator('#sights').evaluate((list) => list.parentElement.scrollIntoView());
  await picture(customer.page, 'phone');
  await agent.page.goto(`${world.magpie.desk}/console/status`);
  await says(agent.page.locator('#body'), /Waiting messages/);
  await picture(agent.page, 'status');
  await agent.page.goto(`${world.magpie.desk}/console/channels/demo`);
  await says(agent.page.locator('#facts h2'), 'Overview');
  await picture(agent.page, 'channel');
}));
