// An operator sees how often the account may still call WeChat, what became of a call,
// and has the count begin anew.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { becomes, says, scenario } from './harness.mjs';
import { Agent } from './people.mjs';

test('quotas are shown, one call is looked up, the count begins anew ten times', () => scenario({}, async (world) => {
  const { desk, adminKey } = world.magpie;
  const api = (method, path, body) => fetch(`${desk}/api/channels/demo/${path}`, {
    method, headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  const view = (host) => ({ name: host, type: 'view', url: `https://${host}.example/` });
  const menu = (...hosts) => ({ button: [{ name: 'More', sub_button: hosts.map(view) }] });
  assert.equal((await api('PUT', 'menu', menu('a'))).status, 204);
  const refused = await api('PUT', 'menu', menu('a', 'b', 'c', 'd'));
  assert.equal(refused.status, 424);
  const { wechat: { rid } } = await refused.json();

  const { page } = await Agent.byLink(world);
  await page.goto(`${desk}/console/channels/demo`);
  await page.getByRole('link', { name: 'Quota', exact: true }).click();
  const calls = page.locator('#calls');
  const row = (path) => calls.locator('tbody tr', { hasText: path });
  await says(row('/cgi-bin/menu/create'), /^Publishing the menu \/cgi-bin\/menu\/create 2 of 1,000 998 no limit$/);
  await says(row('/cgi-bin/stable_token'), /10,000 in 60 s/);
  assert.equal(await row('/cgi-bin/menu/create').getByRole('meter', { name: 'Publishing the menu: used' }).count(), 1);

  // Another path of WeChat's, and one that there is not.
  await calls.getByText('Another call').click();
  const path = calls.getByLabel('Path of the call', { exact: true });
  world.complaints.expect(/400 \(Bad Request\) \/api\/channels\/demo\/quota/);
  world.complaints.expect(/424 .*\/api\/channels\/demo\/quota/);
  await path.fill('media/upload');
  await calls.getByRole('button', { name: 'Ask', exact: true }).click();
  await says(calls.locator('form .problem:visible'), /^It is the path of a call/);
  await path.fill('/cgi-bin/nothing');
  await calls.getByRole('button', { name: 'Ask', exact: true }).click();
  await says(calls.locator('form .problem:visible'), /there is no such path of the API \(76021\)/);
  await path.fill('/cgi-bin/media/upload');
  await calls.getByRole('button', { name: 'Ask', exact: true }).click();
  await says(row('/cgi-bin/media/upload'), /0 of 100,000/);

  // The whole error may be pasted.
  const look = page.locator('#rid');
  const field = look.getByRole('textbox');
  await field.fill('nothing');
  await look.getByRole('button', { name: 'Look it up' }).click();
  await says(look.locator('.problem:visible'), /^There is no rid in this/);
  await field.fill(`WeChat says: too many domains (65316). rid: ${rid}`);
  await look.getByRole('button', { name: 'Look it up' }).click();
  await says(look.locator('dl'), /\/cgi-bin\/menu\/create From 127\.0\.0\.1 Took 1 ms Answer 65316/);

  // It takes one of ten a month: nobody does that by a slip.
  const clear = page.locator('#clear');
  const dialog = page.locator('#dialog');
  await clear.getByRole('button', { name: 'Reset the calls' }).click();
  await says(dialog, /WeChat does this ten times a month, for all calls together/);
  await dialog.getByRole('button', { name: 'Reset the calls' }).click();
  await says(dialog.locator('.field .problem'), 'This is not the channel’s id.');
  await dialog.getByRole('textbox').fill('demo');
  await dialog.getByRole('button', { name: 'Reset the calls' }).click();
  await says(clear.locator('[role=status]'), 'They begin anew.');
  await says(row('/cgi-bin/menu/create'), /0 of 1,000 1,000/);

  for (let i = 0; i < 9; i += 1) assert.equal((await api('POST', 'quota/clear', { confirm: 'demo' })).status, 204);
  await clear.getByRole('button', { name: 'Reset the calls' }).click();
  await dialog.getByRole('textbox').fill('demo');
  await dialog.getByRole('button', { name: 'Reset the calls' }).click();
  await becomes(() => dialog.locator('form > .problem').innerText().then((text) => /the ten resets of this month are used up \(48006\)/.test(text)), true);
}));
