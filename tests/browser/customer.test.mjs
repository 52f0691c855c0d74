// An agent looks who a customer is, notes a remark and puts tags on them: without a mouse,
// and on a narrow page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits, becomes, says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

/** What WeChat has of 小明. */
async function ofMing(agent) {
  const id = new URL(agent.page.url()).hash.replace('#c=', '');
  const { remark, tags } = await agent.world.magpie.api(`conversations/${id}/profile`);
  return [remark, ...tags.map((tag) => tag.name)];
}

test('an agent notes who a customer is, with the keyboard alone', () => scenario({}, async (world) => {
  const agent = await Agent.byLink(world, { width: 360, height: 740 });
  const customer = await Customer.of(world);
  await customer.says('Hello, is my order on its way?');
  await agent.opens();
  const { page } = agent;
  const { keyboard } = page;
  const details = page.getByRole('button', { name: 'Details', exact: true });
  const panel = page.getByRole('dialog', { name: /^Details of customer / });
  const focused = (name) => becomes(() => page.evaluate(() => {
    const node = document.activeElement;
    return (node.labels?.[0] ?? node).textContent;
  }), name, 'what has the focus');

  await details.focus();
  await keyboard.press('Enter');
  await says(panel.locator('dl'), /^Follows since .+ How they came another way Language .+$/);
  await panel.getByRole('checkbox', { name: '星标组', exact: true }).waitFor();
  await assertFits(page);
  await focused('Close');

  // What was written is text, whatever it looks like.
  const remark = panel.getByLabel('Remark', { exact: true });
  await keyboard.press('Shift+Tab');
  await keyboard.press('Shift+Tab');
  await focused('New tag');
  await keyboard.type('<b>VIP</b>');
  await keyboard.press('Enter');
  const vip = panel.getByRole('checkbox', { name: '<b>VIP</b>', exact: true });
  await becomes(() => vip.isChecked(), true, 'the new tag is ticked');
  await says(panel.getByRole('status'), 'WeChat has it.');
  await keyboard.press('Shift+Tab');
  await focused('<b>VIP</b>');
  for (let stops = 0; stops < 3; stops += 1) await keyboard.press('Shift+Tab');
  await focused('Remark');
  await keyboard.type('<i>老客户</i>');
  await keyboard.press('Enter');
  await becomes(() => ofMing(agent), ['<i>老客户</i>', '<b>VIP</b>']);
  assert.equal(await panel.locator('bdi b, bdi i').count(), 0);

  await vip.focus();
  await keyboard.press('Space');
  await becomes(() => ofMing(agent), ['<i>老客户</i>']);
  await keyboard.press('Escape');
  await becomes(() => panel.count(), 0);
  await focused('Details');
  await keyboard.press('Enter');
  await becomes(() => remark.inputValue(), '<i>老客户</i>');
  assert.equal(await vip.isChecked(), false);

  // What WeChat refuses is told, and the tick goes back.
  const refuse = (body) => fetch(`${world.magpie.wechat}/sim/order`, {
    method: 'POST', headers: { 'content-type': 'application/json', 'x-magpie-phone': '1' }, body: JSON.stringify(body),
  });
  await refuse({ call: 'batch_tagging', times: 1, trouble: { code: 45009 } });
  world.complaints.expect(/424 \(Failed Dependency\) \/api\/conversations\/.+\/tags/);
  await vip.focus();
  await keyboard.press('Space');
  await says(panel.getByRole('alert'), 'WeChat says: today\'s calls of this kind are used up (45009).');
  await becomes(() => vip.isChecked(), false, 'the tick is back');
  await page.goBack();
  await becomes(() => panel.count(), 0, 'the panel goes with its conversation');
}));

test('of somebody who has left nothing is told', () => scenario({}, async (world) => {
  const agent = await Agent.byLink(world, { lang: 'zh' });
  const customer = await Customer.of(world, { lang: 'zh' });
  await customer.says('你好，请问什么时候发货？');
  await agent.opens();
  await customer.page.locator('#plus').click();
  await customer.page.locator('#tray').getByRole('button', { name: '取消关注', exact: true }).click();
  await says(customer.status, /HTTP 200/);
  await agent.page.getByRole('button', { name: '客户资料', exact: true }).click();
  const panel = agent.page.getByRole('dialog', { name: /的资料$/ });
  await says(panel.locator('p').first(), '未关注公众号，微信不提供资料。');
  assert.equal(await panel.locator('input').count(), 0);
  // Whose session is over sees nothing of it any more.
  world.complaints.expect(/401 \(Unauthorized\) \/api\//);
  await agent.page.context().clearCookies();
  await customer.is('Chen');
  await customer.says('Hi, are you open on Sunday?');
  await agent.page.locator('#gate').waitFor();
  await becomes(() => panel.count(), 0);
}));

test('an agent erases a customer, who is somebody new afterwards', () => scenario({}, async (world) => {
  const agent = await Agent.byLink(world);
  const customer = await Customer.of(world);
  await customer.says('Please forget all about me.');
  await agent.opens();
  const { page } = agent;
  const before = new URL(page.url()).hash;
  const id = before.replace('#c=', '');
  await page.getByRole('button', { name: 'Details', exact: true }).click();
  const panel = page.getByRole('dialog', { name: /^Details of customer / });
  await panel.getByRole('button', { name: 'Erase customer…', exact: true }).click();
  await panel.getByText('are deleted for good').waitFor();
  // Nothing is done until it is asked for once more.
  await world.magpie.api(`conversations/${id}`);
  await panel.getByRole('button', { name: 'Erase for good', exact: true }).click();
  await panel.getByText('Erased. What is kept elsewhere:').waitFor();
  assert.ok(await panel.getByRole('listitem').count() >= 3);
  await panel.getByRole('button', { name: 'Close', exact: true }).click();
  await becomes(() => new URL(page.url()).hash, '');
  await becomes(() => page.locator(`[href="${before}"]`).count(), 0, 'the list has nobody');

  await customer.says('Hello, do you know me?');
  await agent.opens();
  assert.notEqual(new URL(page.url()).hash, before);
  await agent.reads('in Hello, do you know me?');
}));
