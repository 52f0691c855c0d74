// An agent sends what is more than words from the inbox: files that are chosen, pasted and
// dropped, and a question with choices.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { becomes, says, scenario, until } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

// A picture of one red pixel.
const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==', 'base64');
const PDF = Buffer.from('%PDF-1.7 and what is printed');

async function desk(world, look) {
  const agent = await Agent.byLink(world, look);
  const customer = await Customer.of(world, look);
  await customer.says('What do you have?');
  await agent.opens();
  return { agent, customer, page: agent.page, dialog: agent.page.locator('dialog[open]') };
}

async function chooses(page, button, file) {
  const asks = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: button, exact: true }).click();
  await (await asks).setFiles(file);
}

/** A file comes by the clipboard or by the mouse. */
async function brings(page, how, { name, type, bytes }) {
  await page.evaluate(([how, name, type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], name, { type }));
    const place = document.querySelector(how === 'paste' ? '#text' : '.talk');
    const event = how === 'paste'
      ? new ClipboardEvent('paste', { clipboardData: carried, bubbles: true, cancelable: true })
      : new DragEvent('drop', { dataTransfer: carried, bubbles: true, cancelable: true });
    place.dispatchEvent(event);
  }, [how, name, type, bytes.toString('base64')]);
}

test('files that are chosen, pasted and dropped reach the customer', () => scenario({}, async (world) => {
  const { agent, customer, page, dialog } = await desk(world);
  await chooses(page, 'Send a file', { name: 'red.png', mimeType: 'image/png', buffer: PIXEL });
  await says(dialog, /red\.png · 0\.1 kB/);
  await until('the picture is shown before it goes', () => dialog.locator('img').evaluate((img) => img.naturalWidth === 1));
  await dialog.getByRole('button', { name: 'Send', exact: true }).click();
  await until('it is sent', async () => await dialog.count() === 0);
  const phone = customer.page.locator('#chat .row:not(.mine)');
  await until('the phone draws it', () => phone.locator('img').first().evaluate((img) => img.complete && img.naturalWidth === 1));
  const sent = page.locator('#lines .msg.out .file img');
  await until('the inbox shows it', () => sent.evaluate((img) => img.complete && img.naturalWidth === 1));
  await agent.reads('in What do you have?', agent.delivered('[image]'));
  assert.equal(await agent.text.evaluate((text) => document.activeElement === text), true, 'one writes on');

  await brings(page, 'paste', { name: 'image.png', type: 'image/png', bytes: PIXEL });
  await dialog.getByRole('button', { name: 'Send', exact: true }).click();
  await until('the phone draws both', async () => await phone.locator('img').count() === 2);

  await brings(page, 'drop', { name: 'prices.pdf', type: 'application/pdf', bytes: PDF });
  await says(dialog, /document: the customer gets a link/);
  await dialog.getByRole('button', { name: 'Send', exact: true }).click();
  await until('the phone has a link', async () => /prices\.pdf/.test((await customer.heard()).at(-1)));
  const link = /https?:\S+/.exec((await customer.heard()).at(-1))[0];
  const answer = await fetch(link);
  assert.equal(answer.headers.get('content-type'), 'application/pdf');
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), PDF);
}));

test('a file that cannot be sent is told before it goes, and nothing is lost', () => scenario({}, async (world) => {
  const { agent, customer, page, dialog } = await desk(world);
  await agent.text.fill('half a sentence');
  const send = dialog.getByRole('button', { name: 'Send', exact: true });
  await brings(page, 'drop', { name: 'a.exe', type: '', bytes: Buffer.from('MZ') });
  await says(dialog.locator('.problem').first(), /This format cannot be sent/);
  assert.equal(await send.isDisabled(), true);
  await page.keyboard.press('Escape');
  await until('it is closed', async () => await dialog.count() === 0);
  await brings(page, 'drop', { name: 'a.png', type: 'image/png', bytes: Buffer.alloc(0) });
  await says(dialog.locator('.problem').first(), 'The file is empty.');
  await dialog.getByRole('button', { name: 'Cancel', exact: true }).click();
  // What is named a picture and is none.
  world.complaints.expect(/422 \(Unprocessable/);
  await brings(page, 'drop', { name: 'a.png', type: 'image/png', bytes: PDF });
  await send.click();
  await says(dialog.locator('.problem'), 'The upload broke off: try again.');
  await page.keyboard.press('Escape');
  assert.equal(await agent.text.inputValue(), 'half a sentence');
  await customer.hears();
}));

test('a question is asked, tapped and seen as answered', () => scenario({ lang: 'zh' }, async (world) => {
  const { agent, customer, page, dialog } = await desk(world, { lang: 'zh' });
  const asks = page.getByRole('button', { name: '提问并给出选项', exact: true });
  await asks.click();
  await dialog.getByRole('button', { name: '发送', exact: true }).click();
  await says(dialog.locator('.problem'), '请填写问题和至少一个选项。');
  await dialog.getByLabel('问题', { exact: true }).fill('满意吗？');
  await dialog.getByLabel('选项 1', { exact: true }).fill('满意');
  await dialog.getByLabel('选项 2', { exact: true }).fill('不满意');
  await dialog.getByRole('button', { name: '发送', exact: true }).click();
  await customer.page.locator('#chat .row:not(.mine)').getByRole('button', { name: '不满意', exact: true }).click();
  await becomes(async () => (await agent.lines()).at(-1), 'in 不满意', 'what was tapped');
  await says(page.locator('#lines .msg.in').last(), /满意吗？/);
}));
