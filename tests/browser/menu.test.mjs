// An operator writes the account's menu and publishes it; phones show it. What is half
// written stays, whatever happens around it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertFits, becomes, says, scenario } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

const REFUSED = /400 \(Bad Request\) \/api\/channels\/demo\/menu\/check/;
const DIRTY = 'There are changes that are not published. This browser keeps them.';

/** An operator at the menu of the demo's account. */
class Operator {
  static async of(world, look) {
    const { page } = await Agent.byLink(world, look);
    const operator = new Operator(world, page);
    await page.goto(`${world.magpie.desk}/console/channels/demo`);
    await page.getByRole('link', { name: 'Menu', exact: true }).click();
    await operator.everybody.getByText('As WeChat had it').waitFor();
    return operator;
  }

  constructor(world, page) {
    this.world = world;
    this.page = page;
    this.everybody = page.locator('#everybody');
    this.some = page.locator('#some');
    this.state = this.everybody.locator('[role=status]').first();
    this.dialog = page.locator('#dialog');
  }

  field(label, place = this.everybody) {
    return place.locator('.panel').getByLabel(label, { exact: true });
  }

  fault(label, place = this.everybody) {
    return place.locator('.panel .field', { has: this.page.getByLabel(label, { exact: true }) }).locator('.problem');
  }

  /** The buttons as the preview shows them, those that others open included. */
  faces(place = this.everybody) {
    return place.locator('.face bdi').allInnerTexts();
  }

  async presses(name, place = this.everybody) {
    await place.getByRole('button', { name, exact: true }).click();
  }

  async adds(name, does, more, plus = 'Add a button') {
    await this.everybody.locator('.mock').getByRole('button', { name: plus, exact: true }).click();
    assert.equal(await this.field('Name').evaluate((node) => node === document.activeElement), true, 'who adds a button names it next');
    await this.page.keyboard.type(name);
    await this.field('A tap').selectOption(does);
    for (const [label, value] of Object.entries(more)) await this.field(label).fill(value);
  }

  async publishes() {
    await this.presses('Publish');
    await this.presses('Publish', this.dialog);
    await says(this.state, 'Published. Phones show it within five minutes.');
  }

  /** What WeChat has now. */
  menu() {
    return this.world.magpie.api('channels/demo/menu');
  }
}

const leaf = { name: 'Shops', type: 'click', key: 'shops' };
const put = async (world, menu) => {
  const { desk, adminKey } = world.magpie;
  const answer = await fetch(`${desk}/api/channels/demo/menu`, {
    method: 'PUT', headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' }, body: JSON.stringify(menu),
  });
  assert.equal(answer.status, 204);
};

test('an operator publishes a menu, a customer taps it, the agent sees that', () => scenario({}, async (world) => {
  world.complaints.expect(REFUSED);
  const operator = await Operator.of(world);
  const { page } = operator;
  await says(operator.state, 'There is no menu yet. Begin with a button.');
  await operator.adds('Shops', 'click', { Key: 'shops' });

  // What is too long is told while it is typed, where it is typed.
  const name = operator.field('Name');
  await name.fill('这是一个太长的名字');
  await says(operator.fault('Name'), 'It has 1 to 16 bytes, about 5 Chinese characters');
  await says(operator.everybody.getByText('27 of 16 bytes'), /27 of 16 bytes/);
  await says(operator.state, '1 place is to be mended.');
  await page.locator('#lang').click();
  await says(page.locator('.panel .problem').first(), '应为 1 到 16 字节（约 5 个汉字）');
  await page.locator('#lang').click();
  await says(operator.fault('Name'), 'It has 1 to 16 bytes, about 5 Chinese characters');
  await operator.presses('Publish');
  await becomes(() => name.evaluate((node) => node === document.activeElement), true, 'it leads to what is wrong');
  assert.equal(await operator.dialog.isVisible(), false, 'what is wrong is not published');
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('<b>门店</b>');
  await becomes(() => operator.fault('Name').innerText(), '');

  await operator.adds('More', 'opens', {});
  await operator.adds('Website', 'view', { 'Address of the page': 'https://shop.example/' }, 'Add an entry to button 2');
  await operator.adds('Hello', 'click', { Key: 'hello' }, 'Add an entry to button 2');
  await operator.presses('Move up');
  await becomes(() => operator.faces(), ['<b>门店</b>', 'More', 'Hello', 'Website']);
  assert.equal(await operator.everybody.locator(':focus').innerText(), 'Move down', 'the focus stays where something can be done');

  await operator.presses('Publish');
  await says(operator.dialog, /No menu was published through the API.*The new one: <b>门店<\/b>, More \(Hello, Website\)/);
  await operator.presses('Publish', operator.dialog);
  await says(operator.state, 'Published. Phones show it within five minutes.');
  assert.deepEqual((await operator.menu()).menu.button, [
    { name: '<b>门店</b>', type: 'click', key: 'shops' },
    { name: 'More', sub_button: [{ name: 'Hello', type: 'click', key: 'hello' }, { name: 'Website', type: 'view', url: 'https://shop.example/' }] },
  ]);

  const customer = await Customer.of(world);
  await customer.says('你们在哪里？');
  const menu = customer.page.locator('#menu');
  await becomes(() => menu.locator('button:visible').allInnerTexts(), ['<b>门店</b>', 'More']);
  await menu.getByRole('button', { name: 'More' }).click();
  await menu.getByRole('button', { name: 'Hello' }).click();
  await customer.page.locator('#chat').getByText('You tapped the menu entry “hello”').waitFor();
  await says(customer.status, /HTTP 200/);
  await page.goto(`${world.magpie.desk}/console/`);
  await page.locator('#list a').first().click();
  await page.locator('#lines .event', { hasText: 'tapped a menu item: hello' }).waitFor();
}));

test('what is half written outlives the session, another page and a menu from elsewhere', () => scenario({}, async (world) => {
  await put(world, { button: [leaf] });
  const operator = await Operator.of(world);
  const { page } = operator;
  const asked = [];
  page.on('dialog', async (dialog) => {
    asked.push(dialog.type());
    await dialog.accept();
  });
  await says(operator.state, 'The same as in WeChat: nothing to publish.');
  const name = operator.field('Name');
  await name.fill('Our shops');
  await says(operator.state, DIRTY);

  // The page looks for news while somebody types.
  await name.focus();
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await page.keyboard.press('End');
  await page.keyboard.type('!');
  await becomes(() => name.inputValue(), 'Our shops!');

  // The session ends: whoever signs in again goes on.
  await page.context().clearCookies();
  world.complaints.expect(/401 \(Unauthorized\) \/api\/channels/);
  await operator.presses('Read it again');
  await page.locator('#key').fill(world.magpie.adminKey);
  await page.locator('#key').press('Enter');
  await page.locator('#app').waitFor();
  assert.equal(await name.inputValue(), 'Our shops!');

  // Whoever leaves is asked, and finds it again.
  await page.goto(`${world.magpie.desk}/console/channels`);
  await page.goBack();
  await says(operator.state, DIRTY);
  assert.equal(await name.inputValue(), 'Our shops!');
  assert.deepEqual(asked, ['beforeunload']);

  // Somebody else publishes another one meanwhile.
  await put(world, { button: [{ ...leaf, name: 'Elsewhere' }] });
  await operator.presses('Read it again');
  await says(operator.everybody.locator('.note'), /was changed elsewhere.*WeChat has: Elsewhere/);
  assert.equal(await name.inputValue(), 'Our shops!');
  await operator.presses('Publish');
  await says(operator.dialog, /It replaces what everybody sees now: Elsewhere/);
  await operator.presses('Cancel', operator.dialog);
  await operator.presses('Drop the changes');
  await operator.presses('Drop the changes', operator.dialog);
  await says(operator.state, 'The changes are dropped.');
  await becomes(() => operator.faces(), ['Elsewhere']);
  await page.reload();
  await says(operator.state, 'The same as in WeChat: nothing to publish.');
  assert.deepEqual(asked, ['beforeunload'], 'nobody is asked where nothing would be lost');
}));

test('a menu for some is added and deleted, then all of it', () => scenario({}, async (world) => {
  const operator = await Operator.of(world, { width: 360, height: 740 });
  const { page, some } = operator;
  await says(some, /Publish the one for everybody first/);
  await put(world, { button: [leaf] });
  await operator.presses('Read it again');
  await operator.presses('Add a menu for some', some);
  await operator.field('Name', some).fill('For iPhones');
  await assertFits(page);
  await operator.presses('Add it', some);
  await says(some.locator('.problem:visible'), 'It needs one condition at least.');
  await some.getByLabel('Phone', { exact: true }).selectOption('iOS');
  await some.getByLabel('Id of a tag', { exact: true }).fill('2');
  // It is kept as the other one is.
  page.on('dialog', (dialog) => dialog.accept());
  await page.reload();
  await becomes(() => some.getByLabel('Id of a tag', { exact: true }).inputValue(), '2');
  await operator.presses('Add it', some);
  await says(operator.dialog, /instead of the one for everybody: Id of a tag: 2, Phone: iOS The new one: For iPhones/);
  await operator.presses('Add it', operator.dialog);
  await becomes(() => some.locator('h3').allInnerTexts(), ['Id of a tag: 2, Phone: iOS']);
  const { conditional } = await operator.menu();
  assert.deepEqual(conditional.map(({ matchrule, button }) => [matchrule, button[0].name]), [[{ client_platform_type: '1', tag_id: '2' }, 'For iPhones']]);

  await some.getByRole('button', { name: /^Delete/ }).click();
  await operator.presses('Delete', operator.dialog);
  await becomes(async () => (await operator.menu()).conditional, []);
  await says(some, /There are none/);

  await page.getByRole('button', { name: 'Delete the menu' }).click();
  await operator.presses('Delete the menu', operator.dialog);
  await says(operator.state, 'The menu is deleted.');
  assert.deepEqual(await operator.menu(), { menu: null, conditional: [] });
  const customer = await Customer.of(world);
  assert.equal(await customer.page.locator('#menu').isVisible(), false);
}));

test('the pages of a channel that is not there say so', () => scenario({}, async (world) => {
  world.complaints.expect(/404 \(Not Found\) \/api\/channels\/nowhere/);
  const { page } = await Agent.byLink(world);
  for (const part of ['menu', 'codes', 'quota']) {
    await page.goto(`${world.magpie.desk}/console/channels/nowhere/${part}`);
    await says(page.locator('#title'), 'There is no such channel');
    await says(page.locator('#body'), /^There is no channel nowhere/);
    assert.equal(await page.locator('#body section').count(), 1);
  }
}));
