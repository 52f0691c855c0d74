// WeChat lets a brand answer for 48 hours after the customer wrote. The server's clock
// is moved, and the agent's with it; nobody waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { becomes, holdReads, says, scenario, until } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

const LAPSED = 'The 48-hour window has lapsed: wait until the customer writes, or end the session.';
const CLOSED = /^The 48-hour window is closed \(the customer last wrote on .+\)\. You can answer when they write again; your draft is kept\.$/;

// The page learns nothing for a while, as when a computer sleeps. Whoever wakes it and
// presses Enter at once sends before the page has looked.
async function dozesOff(page) {
  const onTheirWay = new Set();
  page.on('request', (request) => { if (request.method() === 'GET') onTheirWay.add(request); });
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => onTheirWay.delete(request));
  const reads = await holdReads(page, /\/api\/(changes|conversations|channels)/);
  await until('what the page asked before is answered', () => onTheirWay.size === 0 || reads.some());
  return reads.release;
}

async function asked(world) {
  const customer = await Customer.of(world);
  const agent = await Agent.byLink(world, { clock: true });
  const question = world.markers.text('你好');
  await customer.says(question);
  await agent.sees(question);
  await agent.opens();
  const pass = async (hours) => {
    world.magpie.passes(hours);
    await agent.page.clock.fastForward(hours * 3_600_000);
  };
  return { customer, agent, question, pass };
}

// A sign-in lasts half a day: whoever comes back after two finds the sign-in page.
async function comesBack(world, agent) {
  world.complaints.expect(/401 \(Unauthorized\) \/api\/(changes|channels)/);
  await agent.entersKey();
  await agent.text.waitFor();
}

test('after 49 hours the agent is told that the window is closed, and can answer when the customer writes', () => scenario({ clock: true }, async (world) => {
  const { customer, agent, question, pass } = await asked(world);
  const [answer, again] = [world.markers.text('您好'), world.markers.text('还在吗？')];
  await agent.writes(answer);
  await says(agent.count, /· 5 of 5 left · window closes in 47 h$/);
  await pass(47);
  await comesBack(world, agent);
  await says(agent.count, /· 5 of 5 left · window closes in \d+ min$/);
  assert.equal(await agent.note.isVisible(), false);

  await pass(2);
  await says(agent.note, CLOSED);
  await says(agent.count, /· 1 message · window closed$/);
  await says(agent.sessions.locator('.hint'), 'window closed');
  assert.equal(await agent.send.isDisabled(), true);
  const sent = [];
  agent.page.on('request', (r) => { if (r.method() !== 'GET') sent.push(r.url()); });
  await agent.text.press('Enter');
  assert.equal(await agent.text.inputValue(), answer, 'the draft is kept');
  assert.deepEqual(sent, [], 'nothing was sent');
  await agent.reads(`in ${question}`);
  await customer.hears();

  await customer.says(again);
  await agent.reads(`in ${question}`, `in ${again}`);
  await says(agent.count, /· 5 of 5 left · window closes in 47 h$/);
  assert.equal(await agent.note.isVisible(), false);
  await agent.text.press('Enter');
  await customer.hears(answer);
  await agent.reads(`in ${question}`, `in ${again}`, agent.delivered(answer));
}));

test('an answer that the window did not wait for fails with its reason and can be written again', () => scenario({ clock: true }, async (world) => {
  const { customer, agent, question, pass } = await asked(world);
  const [answer, again] = [world.markers.text('您好'), world.markers.text('还在吗？')];
  await pass(47);
  await comesBack(world, agent);
  // What the server says to that somebody types tells its time, too.
  const typed = agent.page.waitForResponse(/\/typing$/);
  await agent.writes(answer);
  await typed;
  await says(agent.count, /window closes in \d+ min$/);
  const wake = await dozesOff(agent.page);
  world.magpie.passes(2);
  await agent.text.press('Enter');
  await becomes(() => agent.text.inputValue(), '', 'the answer that was sent too late');
  await wake();
  await agent.reads(`in ${question}`, `out ${answer} · ${agent.lang.failed}`);
  await says(agent.page.locator('#lines .why'), LAPSED);
  await says(agent.note, CLOSED);
  await customer.hears();

  await agent.page.locator('#lines .again').click();
  assert.equal(await agent.text.inputValue(), answer, 'what failed is written again');
  assert.equal(await agent.send.isDisabled(), true);
  await customer.says(again);
  await says(agent.count, /· 5 of 5 left ·/);
  await agent.send.click();
  await customer.hears(answer);
  await agent.reads(`in ${question}`, `out ${answer} · ${agent.lang.failed}`, `in ${again}`, agent.delivered(answer));
}));
