// Notices: an operator chooses the one that asks customers back, an agent's answer waits for
// the customer, and an agent sends one by hand though the window is shut.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits, becomes, says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

async function chooses(world, operator) {
  const { page } = operator;
  await page.goto(`${world.magpie.desk}/console/channels/demo`);
  await page.getByRole('link', { name: 'Notices', exact: true }).click();
  const templates = page.locator('#templates');
  const fallback = page.locator('#fallback');
  await says(fallback, /Not set: such answers fail/);
  await templates.getByRole('row', { name: /客服回复提醒/ }).getByRole('button').click();
  const field = (label) => fallback.getByLabel(label, { exact: true });
  await becomes(() => field('thing1').inputValue(), '{words}');
  await becomes(() => field('time3').inputValue(), '{time}');
  await field('thing2').fill('{nobody}');
  await fallback.getByRole('button', { name: 'Save' }).click();
  await says(fallback.locator('.problem').first(), /^The placeholders are/);
  await field('thing2').fill('{agent}');
  await field('Hours to wait for the customer').fill('24');
  await fallback.getByRole('button', { name: 'Save' }).click();
  await says(fallback.getByRole('status').last(), 'Saved; it holds within a minute.');
  await assertFits(page);
  await page.reload();
  await becomes(() => field('thing2').inputValue(), '{agent}');
}

// An agent who signs in two days later, and opens the conversation.
async function comesLate(world) {
  world.magpie.passes(50);
  const agent = await Agent.byKey(world);
  await agent.page.locator('#filterAll').click();
  await becomes(() => agent.sessions.count(), 1);
  await agent.opens();
  return agent;
}

test('an answer after the window waits for the customer, whom a notice asks back', () => scenario({ clock: true }, async (world) => {
  world.complaints.expect(/400 \(Bad Request\) \/api\/channels\/demo/);
  const operator = await Agent.byLink(world, { width: 360, height: 740 });
  await chooses(world, operator);
  const customer = await Customer.of(world);
  const question = world.markers.text('你好');
  await customer.says(question);
  const agent = await comesLate(world);
  const answer = world.markers.text('您的订单已寄出');
  await agent.writes(answer);
  await says(agent.note, /when the customer writes again/);
  assert.equal(await agent.page.locator('#notice').isVisible(), false);
  await agent.text.press('Enter');
  const card = customer.page.locator('#chat .row:not(.mine) .card');
  await says(card, /客服回复提醒/);
  await becomes(async () => (await agent.lines()).includes(`out ${answer} · Held`), true);
  await says(agent.page.locator('#lines .why'), /a notice asks the customer back/);
  await customer.says(world.markers.text('我回来了'));
  await becomes(async () => (await customer.heard()).at(-1), answer);
  await becomes(async () => (await agent.lines()).includes(agent.delivered(answer)), true);
}));

test('an agent sends a notification by hand to who has asked for one', () => scenario({ clock: true }, async (world) => {
  const customer = await Customer.of(world);
  const question = world.markers.text('你好');
  await customer.says(question);
  const agent = await comesLate(world);
  const { page } = agent;
  await page.getByRole('button', { name: 'Send a notice' }).click();
  const box = page.locator('dialog[open]');
  await box.getByLabel('Template').selectOption({ label: '订单进度通知 · subscribe notification' });
  await box.getByLabel('character_string1').fill('SF1001');
  await box.getByLabel('phrase2').fill('已经配送完成了');
  await says(box.locator('small.problem'), '7/5');
  world.complaints.expect(/400 \(Bad Request\) \/api\/conversations\/[0-9a-f-]+\/messages/);
  await box.getByLabel('thing3').fill('今天');
  await box.getByRole('button', { name: 'Send', exact: true }).click();
  await says(box.locator('p.problem'), /at most 5 Chinese characters/);
  await box.getByLabel('phrase2').fill('配送中');
  await box.getByRole('button', { name: 'Send', exact: true }).click();
  await box.waitFor({ state: 'detached' });
  await says(page.locator('#lines .why'), /no subscription left/);

  // The customer asks for one.
  const phone = customer.page;
  await phone.locator('#plus').click();
  await phone.getByRole('button', { name: 'Subscribe' }).click();
  await phone.locator('dialog[open]').getByRole('button', { name: 'Allow one' }).click();
  await says(phone.locator('#chat .note').last(), 'You asked for one “订单进度通知”');
  await page.getByRole('button', { name: 'Send a notice' }).click();
  await box.getByLabel('Template').selectOption({ label: '订单进度通知 · subscribe notification' });
  for (const [name, value] of [['character_string1', 'SF1001'], ['phrase2', '配送中'], ['thing3', '今天']]) await box.getByLabel(name).fill(value);
  await box.getByRole('button', { name: 'Send', exact: true }).click();
  await box.waitFor({ state: 'detached' });
  await says(phone.locator('#chat .row:not(.mine) .card').last(), /进度：配送中/);
}));
