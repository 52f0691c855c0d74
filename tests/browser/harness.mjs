// One Magpie and one browser context around each test, and what is looked at when
// it ends: the server's whole log, and everything that the browser complained of.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Markers } from './markers.mjs';

const PATIENCE = 15_000;

function component(name, otherwise, what) {
  const path = process.env[name] || otherwise;
  assert.ok(path, `${name} is not set: it names ${what}`);
  assert.ok(existsSync(path), `${name}: there is no ${path}; it names ${what}`);
  return path;
}

const binary = () => component('MAGPIE_TEST_BINARY', '', 'the magpie binary');
const chromiumPath = () => component('MAGPIE_TEST_CHROMIUM', '/usr/bin/chromium', 'Chromium (Debian: chromium)');
const libfaketime = () => component('MAGPIE_TEST_FAKETIME', '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1', 'libfaketime.so.1 (Debian: libfaketime)');
function playwright() {
  const modules = component('MAGPIE_TEST_NODE_MODULES', '', 'the node_modules folder that has playwright-core');
  assert.ok(existsSync(join(modules, 'playwright-core')), `MAGPIE_TEST_NODE_MODULES: ${modules} has no playwright-core`);
  return createRequire(join(modules, 'index.js'))('playwright-core');
}

let artefacts;
/** The folder of the pictures. */
function pictures() {
  if (!artefacts) {
    artefacts = process.env.MAGPIE_TEST_ARTEFACTS || mkdtempSync(join(tmpdir(), 'magpie-pictures-'));
    mkdirSync(artefacts, { recursive: true });
    console.log(`pictures: ${artefacts}`);
  }
  return artefacts;
}

// A browser for all tests of a file: a context is as separate as a profile.
let browser;
async function chromium() {
  browser ??= await playwright().chromium.launch({
    executablePath: chromiumPath(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  return browser;
}
after(() => browser?.close());

/** Asks until the answer is a true one, and says what was seen last if it never is. */
export async function until(what, ask, patience = PATIENCE) {
  const end = Date.now() + patience;
  let seen;
  do {
    try {
      seen = await ask();
      if (seen) return seen;
    } catch (error) {
      seen = error;
    }
    await new Promise((go) => { setTimeout(go, 40); });
  } while (Date.now() < end);
  throw new assert.AssertionError({ message: `${what}: not within ${patience / 1000} s. Last seen: ${seen?.message ?? seen}`, stackStartFn: until });
}

/** Waits until `read` gives what is expected; the difference is shown if it never does. */
export async function becomes(read, expected, what) {
  let seen;
  const same = async () => {
    seen = await read();
    assert.deepEqual(seen, expected);
    return true;
  };
  await until(what ?? 'what is expected', same).catch(() => assert.deepEqual(seen, expected, what));
}

/** Waits until an element says this: a text that it has to be, or a pattern. */
export async function says(locator, words) {
  const fits = (text) => (words instanceof RegExp ? words.test(text) : text === words);
  let seen;
  const look = async () => {
    seen = (await locator.innerText({ timeout: 1000 })).replace(/\s+/g, ' ').trim();
    return fits(seen);
  };
  await until(`${locator} says ${words}`, look).catch(() => assert.fail(`${locator} says ${JSON.stringify(seen)}, not ${words}`));
}

/** Magpie and its simulated WeChat on one machine. */
export class Magpie {
  constructor(markers, { clock } = {}) {
    this.markers = markers;
    this.folder = mkdtempSync(join(tmpdir(), 'magpie-browser-'));
    this.data = join(this.folder, 'data');
    this.clock = clock && join(this.folder, 'clock');
    this.log = '';
    this.hours = 0;
    if (this.clock) this.#setClock();
  }

  async start() {
    const env = { PATH: process.env.PATH, MAGPIE_LISTEN: '127.0.0.1:0', MAGPIE_SIM_LISTEN: '127.0.0.1:0', MAGPIE_DATA: this.data, RUST_LOG: 'trace' };
    if (this.clock) {
      // Timers go on as they did, as on a machine whose clock is set.
      Object.assign(env, {
        LD_PRELOAD: libfaketime(), FAKETIME_TIMESTAMP_FILE: this.clock, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1', DONT_FAKE_MONOTONIC: '1',
      });
    }
    let said = '';
    const child = spawn(binary(), [], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.ended = new Promise((done) => { child.once('close', (code, signal) => done(code ?? signal)); });
    child.once('error', (error) => { this.log += `\n${error}`; });
    child.stdout.setEncoding('utf8').on('data', (text) => { said += text; });
    child.stderr.setEncoding('utf8').on('data', (text) => { this.log += text; });
    const link = () => /http:\S+\/console\/#link=(\S+)/.exec(said);
    await until('magpie prints where it is', () => {
      assert.equal(child.exitCode, null, `magpie ended: ${this.log}`);
      return /Ctrl-C/.test(said) && link();
    });
    [this.link] = link();
    [this.desk, this.wechat] = said.match(/http:\/\/127\.0\.0\.1:\d+(?=\/\s)/g);
    this.adminKey = readFileSync(join(this.data, 'admin-key'), 'utf8').trim();
    this.account = JSON.parse(JSON.parse(readFileSync(join(this.data, 'secrets.json'), 'utf8'))['demo-simulator']);
    this.markers.watch('admin key', this.adminKey);
    this.markers.watch('link', link()[1]);
    for (const name of ['app_secret', 'token', 'aes_key', 'seed']) this.markers.watch(name, this.account[name]);
    const state = await (await fetch(`${this.wechat}/sim/state`)).json();
    for (const { open_id: id } of state.accounts.flatMap((a) => a.customers)) this.markers.watch('open id', id);
    // What was printed for the one who started it, with the link taken out, is searched too.
    this.log += said.replaceAll(link()[1], '');
  }

  /** What a program with the admin key is told. */
  async api(path) {
    const answer = await fetch(`${this.desk}/api/${path}`, { headers: { authorization: `Bearer ${this.adminKey}` } });
    return answer.json();
  }

  /** Changes settings of a channel, as a program does. */
  async changes(channel, fields) {
    const { name, app_id, original_id, api_base, callback: { mode }, desk } = await this.api(`channels/${channel}`);
    const answer = await fetch(`${this.desk}/api/channels/${channel}`, {
      method: 'PUT', headers: { authorization: `Bearer ${this.adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name, app_id, original_id, api_base, callback: { mode }, desk, ...fields }),
    });
    assert.equal(answer.status, 200, await answer.text());
  }

  /** Lets the server's clock jump ahead; with its timers nothing happens. */
  passes(hours) {
    this.hours += hours;
    this.#setClock();
  }

  #setClock() {
    writeFileSync(this.clock, `+${this.hours}h\n`);
  }

  async stop() {
    if (!this.child) return;
    this.child.kill('SIGTERM');
    const slow = setTimeout(() => this.child.kill('SIGKILL'), PATIENCE);
    const code = await this.ended;
    clearTimeout(slow);
    this.child = null;
    assert.equal(code, 0, `magpie ended with ${code}`);
  }

  discard() {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a browser complains of, and whom it calls. */
class Complaints {
  #seen = [];
  #expected = [];

  constructor(magpie) {
    this.magpie = magpie;
  }

  watch(context) {
    context.on('page', (page) => page.on('pageerror', (error) => this.#seen.push(`page error: ${error.message}`)));
    context.on('console', (message) => {
      const { url } = message.location();
      if (message.type() === 'error') this.#seen.push(`console: ${message.text()} ${url && new URL(url).pathname}`);
    });
    context.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      const ours = [this.magpie.desk, this.magpie.wechat].includes(origin);
      if (/^(https?|wss?):$/.test(protocol) && !ours) this.#seen.push(`called ${request.url()}`);
    });
  }

  /** A complaint that belongs to what the test does: it has to come. */
  expect(pattern) {
    this.#expected.push(pattern);
  }

  check() {
    const others = this.#seen.filter((line) => !this.#expected.some((pattern) => pattern.test(line)));
    assert.deepEqual(others, [], 'the browser complained');
    const missed = this.#expected.filter((pattern) => !this.#seen.some((line) => pattern.test(line)));
    assert.deepEqual(missed, [], 'the browser did not complain of this');
  }
}

/** Whoever is not signed in is told so by the first call of a page. */
export const SIGNED_OUT = /401 \(Unauthorized\) \/api\/channels/;

/** A world for one test: `tell` gets it, and it is searched and taken down afterwards. */
export async function scenario(options, tell) {
  const markers = new Markers();
  const magpie = new Magpie(markers, options);
  const complaints = new Complaints(magpie);
  const contexts = [];
  const world = {
    magpie,
    markers,
    complaints,
    /** A person's browser, with pages of their own. */
    async person({ lang = 'en', width = 1280, height = 800, scheme = 'light', clock = false } = {}) {
      const context = await (await chromium()).newContext({
        locale: { en: 'en-GB', zh: 'zh-CN' }[lang], timezoneId: 'Asia/Shanghai', colorScheme: scheme, viewport: { width, height }, deviceScaleFactor: 1, reducedMotion: 'reduce',
      });
      context.setDefaultTimeout(PATIENCE);
      complaints.watch(context);
      contexts.push(context);
      if (clock) await context.clock.install();
      return context;
    },
  };
  const failures = [];
  const attempt = async (step) => {
    try {
      await step();
    } catch (failure) {
      failures.push(failure);
    }
  };
  await attempt(async () => {
    await magpie.start();
    await tell(world);
  });
  if (failures.length) await keepEvidence(contexts, magpie);
  // Whatever failed, everything that was begun is ended.
  for (const context of contexts) await attempt(() => leave(context, markers));
  await attempt(() => magpie.stop());
  await attempt(() => complaints.check());
  await attempt(() => markers.assertUnseen(magpie.log));
  magpie.discard();
  if (failures.length) throw failures[0];
}

async function leave(context, markers) {
  if (!context.browser()?.contexts().includes(context)) return;
  for (const cookie of await context.cookies()) markers.watch('cookie', cookie.value);
  await context.close();
}

/** Holds back the reads of a page until they are released, as a slow network does. */
export async function holdReads(page, url) {
  let held = [];
  await page.route(url, (route) => (held && route.request().method() === 'GET' ? held.push(route) : route.continue()));
  return {
    some: () => held.length > 0,
    release: async () => {
      const routes = held;
      held = null;
      // The page itself may have given one up meanwhile.
      for (const route of routes) if (!route.request().failure()) await route.continue();
    },
  };
}

let kept = 0;
async function keepEvidence(contexts, magpie) {
  const name = `failed-${process.pid}-${kept += 1}`;
  writeFileSync(join(pictures(), `${name}.log`), magpie.log);
  const pages = contexts.flatMap((context) => context.pages());
  for (const [i, page] of pages.entries()) await page.screenshot({ path: join(pictures(), `${name}-${i}.png`) }).catch(() => {});
}

/** A picture of what a page shows, for people to look at. */
export async function picture(page, name, options) {
  await page.screenshot({ path: join(pictures(), `${name}.png`), animations: 'disabled', caret: 'hide', ...options });
}

/** Nothing of the page lies beyond its right edge. */
export async function assertFits(page) {
  const beyond = await page.evaluate(() => {
    const width = document.scrollingElement.scrollWidth;
    const cut = [...document.querySelectorAll('h1, h2, button, a, input, select, textarea, td, p')]
      .filter((node) => node.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !node.closest('.hear'))
      .filter((node) => node.getBoundingClientRect().right > innerWidth + 0.5)
      .map((node) => `${node.tagName}#${node.id} ${node.textContent.slice(0, 30)}`);
    return { wider: Math.max(0, width - innerWidth), cut };
  });
  assert.deepEqual(beyond, { wider: 0, cut: [] }, `${page.url().replace(/#.*/, '')} is wider than its window`);
}
