// An operator connects an account by the guided pages, with every mistake that is
// easily made: a wrong AppSecret, another Token than WeChat has, an account twice.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { becomes, says, scenario, until } from './harness.mjs';
import { Agent, Customer } from './people.mjs';

const WRONG_SECRET = 'The AppSecret is wrong: compare it with WeChat\'s console and save it again. code 40001';
const WRONG_SIGNATURE = 'The signature is wrong: the Token under 服务器配置 (server configuration) in WeChat\'s console and the one here must be the same. If pushes do arrive, somebody else is trying.';

class Operator {
  constructor(world, page) {
    this.world = world;
    this.page = page;
    this.body = page.locator('#body');
    this.found = page.locator('.found li');
  }

  static async of(world) {
    const { page } = await Agent.byLink(world);
    return new Operator(world, page);
  }

  async goes(path) {
    await this.page.goto(`${this.world.magpie.desk}/console/${path}`);
    await this.body.waitFor();
  }

  field(label) {
    return this.page.getByLabel(label, { exact: true });
  }

  press(name) {
    return this.page.getByRole('button', { name, exact: true }).click();
  }

  async checks(name) {
    const answered = this.page.waitForResponse(/\/check$/);
    await this.press(name);
    await answered;
  }

  /** Saves what was pasted into WeChat's form. */
  async saves() {
    for (const label of ['Token (令牌)', 'EncodingAESKey (消息加解密密钥)']) this.world.markers.watch(label, await this.field(label).inputValue());
    await this.press('Pasted: save it here');
    await says(this.body, /Waiting for WeChat’s handshake…/);
  }

  fault(label) {
    return this.page.locator('.field', { has: this.field(label) }).locator('.problem');
  }

  async describes({ name, app_id: app, original_id: original, secret, id }) {
    await this.field('Name').fill(name);
    await this.field('Original id (原始ID)').fill(original);
    await this.field('AppID (开发者ID)').fill(app);
    await this.field('AppSecret (开发者密码)').fill(secret);
    if (id) await this.field('Channel id').fill(id);
    await this.page.getByText('More settings').click();
    await this.field('WeChat’s API address').fill(this.world.magpie.wechat);
    await this.press('Save and go on');
  }

  async isAt(step) {
    await says(this.page.locator('[aria-current=step]'), new RegExp(step));
  }
}

function anotherSecret({ markers }) {
  const secret = randomBytes(16).toString('hex');
  markers.watch('another secret', secret);
  return secret;
}

// The simulated WeChat calls the address of the demo's channel: it makes room first.
async function demoIsDeleted(world) {
  const operator = await Operator.of(world);
  await operator.goes('channels/demo');
  await operator.press('Delete channel');
  const dialog = operator.page.locator('#dialog');
  await dialog.getByRole('textbox').fill('dem');
  await dialog.getByRole('button', { name: 'Delete channel' }).click();
  await says(dialog.locator('.field .problem'), 'This is not the channel’s id.');
  await dialog.getByRole('textbox').fill('demo');
  await dialog.getByRole('button', { name: 'Delete channel' }).click();
  await says(operator.body, /“Demo 演示” is deleted\. .* No account is connected yet/);
  await operator.page.context().close();
  // Its row stays for two minutes, and goes with the sweep of the next start.
  await world.magpie.stop();
  world.magpie.passes(0.1);
  await world.magpie.start();
  await until('the channel is gone', () => world.magpie.log.includes('a deleted channel is gone'));
}

test('an account is connected in spite of a wrong AppSecret and a wrong Token', () => scenario({ clock: true }, async (world) => {
  await demoIsDeleted(world);
  const { account } = world.magpie;
  const customer = await Customer.of(world);
  await says(customer.page.locator('#connection'), 'Check failed: HTTP 404');
  const operator = await Operator.of(world);
  world.complaints.expect(/404 \(Not Found\) \/api\/channels\/demo/);
  await operator.goes('channels/new');
  await operator.isAt('The account');
  await operator.describes({ ...account, name: 'Shop', secret: anotherSecret(world), id: 'demo' });

  await operator.isAt('IP allow-list');
  await says(operator.found.first(), `WeChat’s API Trouble ${WRONG_SECRET}`);
  await says(operator.found.nth(1), 'The desk All right The inbox is ours.');
  await says(operator.found.last(), 'Secrets All right What is kept secret is whole.');
  await operator.checks('Check again');
  await says(operator.found.first(), `WeChat’s API Trouble ${WRONG_SECRET}`);
  await operator.field('The right AppSecret').fill(account.app_secret);
  await operator.press('Save and check');
  await says(operator.found.first(), 'WeChat’s API All right WeChat gives a token.');
  await operator.press('Go on');

  await operator.isAt('Server settings');
  await operator.saves();
  for (const times of [1, 2]) {
    await customer.page.locator('#retry').click();
    await says(customer.page.locator('#connection'), 'Check failed: HTTP 403');
    await becomes(() => refusals(world), times, 'how often it was refused');
  }
  await says(operator.page.locator('.note.bad'), `A call arrived and was refused. ${WRONG_SIGNATURE}`);
  await operator.press('Make a new one');
  await operator.field('Token (令牌)').fill(account.token);
  await operator.field('EncodingAESKey (消息加解密密钥)').fill(account.aes_key);
  await operator.saves();
  await customer.page.locator('#retry').click();
  await says(customer.page.locator('#connection'), 'Callback address checked');
  await says(operator.page.locator('.note.good'), /^WeChat has verified the address: /);
  await operator.press('Go on');

  await operator.isAt('Try it');
  await says(operator.body, /Waiting for the first message…/);
  const [question, answer] = [world.markers.text('你好'), world.markers.text('您好')];
  await customer.says(question);
  await says(operator.page.locator('.note.good'), /^The message has arrived: .* The account is connected\. Answer it in the inbox/);
  await operator.page.getByRole('link', { name: 'Open the inbox' }).click();
  const agent = new Agent(world, operator.page);
  await agent.sees(question);
  await agent.opens();
  await agent.answers(answer);
  await customer.hears(answer);

  await operator.goes('channels/demo');
  await says(operator.page.locator('#facts table tbody tr'), new RegExp(`^${WRONG_SIGNATURE.replace(/[.()]/g, '\\$&')} \\d `));
  await says(operator.page.locator('#facts table td').nth(1), '2');
  await operator.checks('Check now');
  await says(operator.found.first(), 'WeChat’s API All right WeChat gives a token.');
}));

async function refusals({ magpie }) {
  const { seen } = await magpie.api('channels/demo');
  return seen.refused.find(({ code }) => code === 'wrong_signature')?.count;
}

test('an account is not connected twice, and a name has 40 characters', () => scenario({}, async (world) => {
  const operator = await Operator.of(world);
  const { account } = world.magpie;
  world.complaints.expect(/404 \(Not Found\) \/api\/channels\/again/);
  world.complaints.expect(/400 \(Bad Request\) \/api\/channels\/again/);
  world.complaints.expect(/409 \(Conflict\) \/api\/channels\/again/);
  await operator.goes('channels/new');
  await operator.describes({ ...account, name: '喜'.repeat(41), secret: account.app_secret, id: 'again' });
  await says(operator.fault('Name'), /^it has 1 to 40 characters$/i);
  assert.equal(await operator.page.evaluate(() => document.activeElement.value), '喜'.repeat(41), 'the focus is on what is wrong');
  await operator.field('Name').fill('喜'.repeat(40));
  await operator.press('Save and go on');
  await says(operator.page.locator('#body form > .problem'), 'This account is connected already, by its AppID or its original id.');
  await operator.isAt('The account');
  await operator.page.locator('#lang').click();
  await operator.page.getByRole('button', { name: '保存并继续' }).click();
  await says(operator.page.locator('#body form > .problem'), '此公众号（AppID 或原始 ID）已接入另一个渠道。');
  await operator.goes('channels');
  await becomes(() => operator.page.locator('#body h2 a').allInnerTexts(), ['Demo 演示']);
}));
