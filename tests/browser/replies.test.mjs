// An operator writes what the account says by itself; a customer hears it, and the agent
// sees that it was said.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { becomes, says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

const SAVED = 'Saved. In force everywhere within 60 seconds.';

test('who follows is welcomed, a first message is greeted, and the agent sees it', () => scenario({}, async (world) => {
  const agent = await Agent.byLink(world);
  const { page } = agent;
  const replies = page.locator('#replies');
  const field = (label) => replies.getByLabel(label, { exact: true });
  const save = async () => {
    await replies.getByRole('button', { name: 'Save', exact: true }).click();
    await says(replies.locator('[role=status]'), SAVED);
  };
  await page.goto(`${world.magpie.desk}/console/channels/demo`);
  await field('Welcome').fill('Welcome <b>here</b>');
  await field('First message').fill('Nice to meet you');
  await replies.getByText('By QR code').click();
  await replies.getByRole('button', { name: 'Add a scene', exact: true }).click();
  await field('Scene').fill('poster-7');
  await field('Words').fill('You found our poster');
  await replies.getByRole('checkbox').check();
  await save();
  // The page shows what is in force, also to somebody who comes later.
  await page.reload();
  await becomes(() => field('Words').inputValue(), 'You found our poster');
  assert.equal(await field('Welcome').inputValue(), 'Welcome <b>here</b>');
  assert.equal(await replies.getByRole('checkbox').isChecked(), true);
  // Other settings leave them alone.
  const settings = page.locator('#settings');
  await settings.getByLabel('Name', { exact: true }).fill('Shop B');
  await settings.getByRole('button', { name: 'Save', exact: true }).click();
  await says(settings.locator('[role=status]'), SAVED);

  const customer = await Customer.of(world);
  const taps = async (name) => {
    await customer.page.locator('#plus').click();
    await customer.page.locator('#tray').getByRole('button', { name }).click();
  };
  await taps('Unfollow');
  await customer.page.locator('#follow').click();
  await customer.hears('Welcome <b>here</b>');
  await taps(/scan/i);
  await customer.hears('Welcome <b>here</b>', 'You found our poster');
  await customer.says('Do you have this in red?');
  await customer.hears('Welcome <b>here</b>', 'You found our poster', 'Nice to meet you');

  await page.goto(`${world.magpie.desk}/console/`);
  await agent.opens();
  await becomes(async () => (await agent.lines()).at(-1), agent.delivered('Nice to meet you'));
  await says(page.locator('#lines .msg.out .meta').last(), /Automatic/);

  // What is emptied is said no longer.
  await page.goto(`${world.magpie.desk}/console/channels/demo`);
  await field('Welcome').fill('');
  await replies.getByRole('button', { name: 'Remove this scene', exact: true }).click();
  await save();
  await page.reload();
  await becomes(() => field('First message').inputValue(), 'Nice to meet you');
  assert.equal(await field('Welcome').inputValue(), '');
  assert.equal(await replies.getByText('Remove this scene').count(), 0);
}));
