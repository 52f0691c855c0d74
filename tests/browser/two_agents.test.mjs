// Two agents with the same conversation open: neither needs to reload to see what
// the other wrote, and neither can send more than WeChat allows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

const USED_UP = 'The messages of this window are used up: it goes out by itself when the customer writes again.';
const WILL_WAIT = 'This needs 1 message, 0 left: it will wait and go out by itself when the customer writes again.';

async function both(world) {
  const ming = await Customer.of(world);
  const li = await Agent.byLink(world);
  const chen = await Agent.byKey(world);
  const question = world.markers.text('你好');
  await ming.says(question);
  for (const agent of [li, chen]) {
    await agent.sees(question);
    await agent.opens();
  }
  const loads = [];
  for (const { page } of [li, chen]) page.on('framenavigated', () => loads.push(page.url()));
  return { ming, li, chen, question, loads };
}

test('each agent sees the answers of the other, in order, and so does the customer', () => scenario({}, async (world) => {
  const { ming, li, chen, question, loads } = await both(world);
  const [first, second, third] = ['one', 'two', 'three'].map((words) => world.markers.text(words));
  await li.answers(first);
  await chen.reads(`in ${question}`, chen.delivered(first));
  await chen.answers(second);
  await li.reads(`in ${question}`, li.delivered(first), li.delivered(second));
  await li.answers(third);
  for (const agent of [li, chen]) {
    await agent.reads(`in ${question}`, ...[first, second, third].map((text) => agent.delivered(text)));
    await says(agent.count, /· 2 of 5 left ·/);
  }
  await ming.hears(first, second, third);
  assert.deepEqual(loads, [], 'nobody reloaded');
}));

test('the sixth answer is held with its reason, and goes out when the customer writes again', () => scenario({}, async (world) => {
  const { ming, li, chen, question, loads } = await both(world);
  const answers = [1, 2, 3, 4, 5].map((n) => world.markers.text(`answer ${n}`));
  const [sixth, more] = [world.markers.text('answer 6'), world.markers.text('还在吗？')];
  for (const [i, answer] of answers.entries()) {
    await [li, chen][i % 2].answers(answer);
    await li.reads(`in ${question}`, ...answers.slice(0, i + 1).map((text) => li.delivered(text)));
  }
  await says(li.sessions.locator('.hint'), /^none left · closes in 47 h$/);
  await chen.writes(sixth);
  await says(chen.note, WILL_WAIT);
  await says(chen.count, /· 0 of 5 left ·/);
  await chen.answers(sixth);
  for (const agent of [chen, li]) {
    await agent.reads(`in ${question}`, ...answers.map((text) => agent.delivered(text)), `out ${sixth} · Held`);
    await says(agent.page.locator('#lines .why'), USED_UP);
  }
  await ming.hears(...answers);
  await li.page.locator('#lang').click();
  await says(li.page.locator('#lines .why'), '本轮消息条数已用完：客户再次发言后会自动发出。');
  await li.page.locator('#lang').click();

  await ming.says(more);
  await ming.hears(...answers, sixth);
  for (const agent of [li, chen]) {
    await agent.reads(`in ${question}`, ...[...answers, sixth].map((text) => agent.delivered(text)), `in ${more}`);
    assert.equal(await agent.page.locator('#lines .why').count(), 0, 'there is nothing to be explained any more');
    await says(agent.count, /· 4 of 5 left ·/);
  }
  assert.deepEqual(loads, [], 'nobody reloaded');
}));

test('what one agent answers before the page of the other has its list is shown there', () => scenario({}, async (world) => {
  const { li, chen, question } = await both(world);
  const answer = world.markers.text('您好');
  // The page of one reads the conversation, and then the line is bad until the answer is there.
  world.complaints.expect(/net::ERR_FAILED \/api\/changes/);
  let bad = true;
  await li.page.route('**/api/changes?*', (route) => (bad ? route.abort() : route.continue()));
  const failed = li.page.waitForEvent('requestfailed');
  await li.page.reload();
  await li.reads(`in ${question}`);
  await failed;
  await chen.answers(answer);
  await chen.reads(`in ${question}`, chen.delivered(answer));
  bad = false;
  await li.sees(answer);
  await li.reads(`in ${question}`, li.delivered(answer));
}));
