// An operator makes a QR code; a customer scans it, and the count goes up.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { assertFits, becomes, says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

async function make(world, body) {
  const { desk, adminKey } = world.magpie;
  const answer = await fetch(`${desk}/api/channels/demo/qrcodes`, {
    method: 'POST', headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }, body: JSON.stringify(body),
  });
  assert.equal(answer.status, 201, await answer.text());
}

test('a code is made, downloaded, scanned, counted and forgotten', () => scenario({}, async (world) => {
  world.complaints.expect(/400 \(Bad Request\) \/api\/channels\/demo\/qrcodes/);
  world.complaints.expect(/409 \(Conflict\) \/api\/channels\/demo\/qrcodes/);
  const { page } = await Agent.byLink(world, { width: 360, height: 740 });
  await page.goto(`${world.magpie.desk}/console/channels/demo`);
  await page.getByRole('link', { name: 'QR codes', exact: true }).click();
  const form = page.locator('#make form');
  const list = page.locator('#list');
  const dialog = page.locator('#dialog');
  const field = (label) => form.getByLabel(label, { exact: true });
  const fault = (label) => form.locator('.field', { has: page.getByLabel(label, { exact: true }) }).locator('.problem');
  await says(list, /There are no codes yet/);
  await field('Name').fill('<i>海报</i>');
  await field('Scene').fill('poster 7');
  await field('How long').fill('31');
  await form.getByRole('button', { name: 'Make it' }).click();
  await says(fault('Scene'), /^It has 1 to 64 letters/);
  await says(fault('How long'), 'It is one minute to 30 days.');
  await field('Scene').fill('poster-7');
  await field('How long').fill('2');
  await field('Unit').selectOption('hours');
  await form.getByRole('button', { name: 'Make it' }).click();

  // The picture comes at once.
  await says(dialog.locator('h2'), '<i>海报</i>');
  const picture = dialog.getByRole('img', { name: 'QR code: <i>海报</i>' });
  await becomes(() => picture.evaluate((img) => img.complete && img.naturalWidth >= 1000), true);
  await assertFits(page);
  const download = async (role, name) => {
    const coming = page.waitForEvent('download');
    await dialog.getByRole(role, { name }).click();
    const file = await coming;
    return [file.suggestedFilename(), readFileSync(await file.path())];
  };
  const [pngName, png] = await download('button', 'Download (PNG)');
  assert.equal(pngName, 'poster-7.png');
  assert.equal(png.toString('latin1', 1, 4), 'PNG');
  assert.ok(png.readUInt32BE(16) >= 1000, 'it is large enough for print');
  const [svgName, svg] = await download('link', 'Download (SVG)');
  assert.equal(svgName, 'poster-7.svg');
  assert.match(svg.toString(), /<svg /);
  // By itself it is a document that may do nothing.
  const alone = await page.context().newPage();
  const opened = await alone.goto(new URL(await picture.getAttribute('src'), world.magpie.desk).href);
  assert.equal(opened.headers()['content-security-policy'], "default-src 'none'; frame-ancestors 'none'");
  await alone.close();
  const own = await dialog.getByRole('link', { name: 'WeChat’s own picture' }).getAttribute('href');
  assert.match(own, /^https:\/\/mp\.weixin\.qq\.com\/cgi-bin\/showqrcode\?ticket=/);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await says(form.locator('[role=status]'), '“<i>海报</i>” is made.');
  const card = list.locator('li.card');
  await says(card.locator('.scans'), '0 scans');
  const { qrcodes: [kept] } = await world.magpie.api('channels/demo/qrcodes');
  assert.equal(Math.round((Date.parse(kept.expires) - Date.parse(kept.created)) / 60_000), 120);
  await assertFits(page);

  // A scene has one code.
  await field('Name').fill('Another');
  await field('Scene').fill('poster-7');
  await form.getByRole('button', { name: 'Make it' }).click();
  await says(fault('Scene'), /^There is a code of this scene that is still good/);

  const customer = await Customer.of(world);
  await customer.page.locator('#plus').click();
  await customer.page.locator('#tray').getByRole('button', { name: /scan/i }).click();
  await says(customer.status, /HTTP 200/);
  const focused = field('Name');
  await focused.fill('Half written');
  await becomes(async () => {
    await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    return card.locator('.scans').innerText();
  }, '1 scan');
  assert.equal(await focused.inputValue(), 'Half written');
  assert.equal(await focused.evaluate((node) => node === document.activeElement), true);

  // What is said to those who scan it is written on the channel's page.
  await world.magpie.changes('demo', { replies: { scenes: { 'poster-7': { kind: 'text', text: 'You found <b>us</b>' } } } });
  await page.reload();
  await says(card, /You found <b>us<\/b> Change replies/);
  await card.getByRole('link', { name: 'Change replies' }).click();
  await page.locator('#replies').waitFor();
  await becomes(() => page.locator('#replies').evaluate((node) => node.getBoundingClientRect().top < innerHeight), true);
  await page.goBack();

  await card.getByRole('button', { name: 'Forget: <i>海报</i>' }).click();
  await says(dialog, /Its count \(1\) is lost/);
  await dialog.getByRole('button', { name: 'Forget' }).click();
  await says(list, /“<i>海报<\/i>” is forgotten\. There are no codes yet/);
  assert.deepEqual((await world.magpie.api('channels/demo/qrcodes')).qrcodes, []);
}));

test('codes come page by page, and one that is over is renewed', () => scenario({ clock: true }, async (world) => {
  for (let i = 0; i < 21; i += 1) await make(world, { scene: `c${String(i).padStart(2, '0')}`, name: `Counter ${i}`, ...(i === 0 && { expires_in: 3600 }) });
  const { page } = await Agent.byLink(world);
  world.magpie.passes(2);
  await page.goto(`${world.magpie.desk}/console/channels/demo/codes`);
  const cards = page.locator('#list li.card');
  await becomes(() => cards.count(), 20);
  await page.getByRole('button', { name: 'Show more' }).click();
  await becomes(() => cards.count(), 21);
  await says(cards.first(), /over since/);
  await page.getByRole('button', { name: 'Renew: Counter 0' }).click();
  const form = page.locator('#make form');
  assert.equal(await form.getByLabel('Scene', { exact: true }).inputValue(), 'c00');
  const drawn = () => cards.first().getByRole('img').evaluate(async (img) => (await fetch(img.src)).text());
  const before = await drawn();
  await form.getByRole('radio', { name: 'for ever' }).check();
  await form.getByRole('button', { name: 'Make it' }).click();
  await page.locator('#dialog').getByRole('button', { name: 'Close' }).click();
  await becomes(async () => /for ever/.test(await cards.first().innerText()), true);
  assert.notEqual(await drawn(), before);
  assert.equal(await page.getByRole('button', { name: /^Renew/ }).count(), 0);
}));
