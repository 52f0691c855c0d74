// Who talks: a customer at the simulated phone, an agent at the inbox.
import assert from 'node:assert/strict';
import { SIGNED_OUT, assertFits, becomes, says, until } from './harness.mjs';

const WORDS = {
  en: { delivered: 'Delivered', failed: 'Failed', ended: 'ended', end: 'End session', title: 'Sign in to Magpie' },
  zh: { delivered: '已送达', failed: '发送失败', ended: '已结束', end: '结束会话', title: '登录 Magpie' },
};

/** A customer, 小明 unless another is chosen. */
export class Customer {
  static async of(world, look) {
    const context = await world.person(look);
    const page = await context.newPage();
    await page.goto(world.magpie.wechat);
    await until('the phones are there', () => page.locator('#people button').count());
    const customer = new Customer(world, page);
    await customer.is('小明');
    return customer;
  }

  constructor(world, page) {
    this.world = world;
    this.page = page;
    this.words = page.locator('#words');
    this.status = page.locator('#status');
  }

  async is(name) {
    if (!await this.page.locator('#people').isVisible()) await this.page.locator('#back').click();
    await this.page.locator('#people button', { hasText: name }).click();
  }

  async says(text) {
    this.world.markers.watch('text of a customer', text);
    await this.words.fill(text);
    await this.words.press('Enter');
    await becomes(async () => (await this.said()).at(-1), text, 'what the customer said last');
    await says(this.status, /HTTP 200/);
  }

  said() {
    return this.page.locator('#chat .row.mine .bubble').allInnerTexts();
  }

  heard() {
    return this.page.locator('#chat .row:not(.mine) .bubble').allInnerTexts();
  }

  async hears(...texts) {
    await becomes(() => this.heard(), texts, 'what the phone shows');
  }
}

/** An agent, signed in, at the inbox. */
export class Agent {
  static async byLink(world, look) {
    const agent = new Agent(world, await (await world.person(look)).newPage(), look);
    await agent.page.goto(world.magpie.link);
    await agent.page.locator('#app').waitFor();
    return agent;
  }

  static async byKey(world, look) {
    const agent = new Agent(world, await (await world.person(look)).newPage(), look);
    world.complaints.expect(SIGNED_OUT);
    await agent.page.goto(`${world.magpie.desk}/console/`);
    await agent.entersKey();
    return agent;
  }

  constructor(world, page, { lang = 'en' } = {}) {
    this.world = world;
    this.page = page;
    this.lang = WORDS[lang];
    this.sessions = page.locator('#list a');
    this.text = page.locator('#text');
    this.send = page.locator('#send');
    this.count = page.locator('#count');
    this.note = page.locator('#note');
  }

  async entersKey() {
    await says(this.page.locator('#gate h1'), this.lang.title);
    await this.page.locator('#key').fill(this.world.magpie.adminKey);
    await this.page.locator('#key').press('Enter');
    await this.page.locator('#app').waitFor();
  }

  async sees(text) {
    await becomes(() => this.sessions.locator('.preview bdi').allInnerTexts(), [text], 'the sessions');
  }

  async opens() {
    await this.sessions.first().click();
    await this.text.waitFor();
  }

  async writes(text) {
    this.world.markers.watch('text of an agent', text);
    await this.text.fill(text);
  }

  async answers(text) {
    await this.writes(text);
    await this.text.press('Enter');
    await becomes(() => this.text.inputValue(), '', 'the text that was sent');
  }

  /** Everything that was said, such as `in 你好` and `out Hello · Delivered`. */
  lines() {
    return this.page.locator('#lines > li.msg').evaluateAll((rows) => rows.map((row) => {
      const state = row.querySelector('.state')?.textContent.trim();
      return `${row.classList[1]} ${row.querySelector('.text').textContent}${state ? ` · ${state}` : ''}`;
    }));
  }

  async reads(...lines) {
    await becomes(() => this.lines(), lines, 'the conversation in the inbox');
  }

  delivered(text) {
    return `out ${text} · ${this.lang.delivered}`;
  }

  async ends() {
    await this.page.locator('#end').click();
    await this.page.locator('#endingYes').click();
    await says(this.page.locator('#where'), new RegExp(`· ${this.lang.ended}$`));
    assert.equal(await this.page.locator('#end').isVisible(), false, 'an ended session cannot be ended');
  }

  async fits() {
    await assertFits(this.page);
  }
}
