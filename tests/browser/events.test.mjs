// WeChat tells of the account itself: its operator is warned, and reads what it was.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { says, scenario } from './harness.mjs';
import { Agent } from './people.mjs';

test('the operator is warned of a verification that ends, and reads what became of a mass message', () => scenario({}, async (world) => {
  const { desk, adminKey } = world.magpie;
  const token = 'tokenOfTheBrowser1';
  const put = await fetch(`${desk}/api/channels/shop`, {
    method: 'PUT', headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Shop', app_id: 'wx0123456789abcdee', original_id: 'gh_0123456789ab', callback: { mode: 'plain', token }, desk: { kind: 'inbox' } }),
  });
  assert.equal(put.status, 201);
  const push = async (name, seconds, rest) => {
    const timestamp = `${Math.floor(Date.now() / 1000)}`;
    const signature = createHash('sha1').update([token, timestamp, '7'].sort().join('')).digest('hex');
    const answer = await fetch(`${desk}/wechat/shop?signature=${signature}&timestamp=${timestamp}&nonce=7`, {
      method: 'POST', headers: { 'content-type': 'text/xml' },
      body: `<xml><ToUserName>gh_0123456789ab</ToUserName><FromUserName>oWeChat</FromUserName><CreateTime>${timestamp - seconds}</CreateTime><MsgType>event</MsgType><Event>${name}</Event>${rest}</xml>`,
    });
    assert.equal(answer.status, 200);
  };
  await push('MASSSENDJOBFINISH', 60, '<MsgID>1</MsgID><Status>sendsuccess</Status><TotalCount>100</TotalCount><SentCount>75</SentCount><ErrorCount>5</ErrorCount>');
  await push('annual_renew', 30, '<ExpiredTime>1900000000</ExpiredTime>');

  const { page } = await Agent.byLink(world);
  await page.goto(`${desk}/console/channels`);
  await says(page.locator('.card', { hasText: 'Shop' }).locator('.chips'), /WeChat wants something/);
  await page.goto(`${desk}/console/channels/shop`);
  await says(page.locator('.note', { hasText: 'yearly' }), /^The yearly verification is due: renew it/);
  await page.getByRole('link', { name: 'Account', exact: true }).click();
  await says(page.locator('.note'), /^The yearly verification is due/);
  const rows = page.locator('#list tbody tr');
  await says(rows.nth(0), /the yearly verification is due.*annual_renew/);
  await says(rows.nth(1), /a mass message was sent: sendsuccess MASSSENDJOBFINISH.*75 of 100 were sent.*5 failed/);
  assert.equal(await rows.count(), 2);
  // What the account may send is on the page of its quotas.
  await page.goto(`${desk}/console/channels/demo/quota`);
  await says(page.locator('#kinds li'), 'None: all kinds go as they are.');
  assert.equal(await page.getByRole('button', { name: 'Try them again' }).isVisible(), false);
}));
