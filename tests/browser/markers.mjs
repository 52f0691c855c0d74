// Values that must never be logged: searched for when a test ends, in every form in
// which a careless line could carry them.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

// Shorter values would be found by chance.
const SHORTEST = 6;

function forms(value) {
  const bytes = Buffer.from(value);
  const hex = bytes.toString('hex');
  const escaped = [...value].map((c) => (c.codePointAt(0) < 128 ? c : `\\u{${c.codePointAt(0).toString(16)}}`)).join('');
  const json = value.replace(/[^\x00-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const slashed = [...bytes].map((b) => (b < 128 ? String.fromCharCode(b) : `\\x${b.toString(16)}`)).join('');
  const found = [value, encodeURIComponent(value), encodeURIComponent(value).toLowerCase(), escaped, json, slashed, hex, hex.toUpperCase(), [...bytes].join(', ')];
  // What base64 makes of it at each of the three places where it can begin.
  for (const shift of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(shift), bytes]);
    const [begin, end] = [Math.ceil(shift * 4 / 3), Math.floor(shifted.length * 4 / 3)];
    for (const kind of ['base64', 'base64url']) found.push(shifted.toString(kind).slice(begin, end));
  }
  return new Set(found);
}

export class Markers {
  #planted = [];

  /** Watches for a value that somebody else made. */
  watch(kind, value) {
    assert.ok(value?.length >= SHORTEST, `a ${kind} is too short to be searched for`);
    this.#planted.push([kind, value]);
  }

  /** Words that nobody else would say; they are watched for when they are said. */
  text(words) {
    return `${words} ${randomBytes(4).toString('hex')}`;
  }

  /** Fails if a planted value was logged; only its kind is told. */
  assertUnseen(log) {
    assert.ok(log.includes('Magpie is there'), 'there is no log to be searched');
    const kinds = this.#planted.filter(([, value]) => [...forms(value)].some((form) => log.includes(form))).map(([kind]) => kind);
    assert.deepEqual([...new Set(kinds)], [], 'the server logged what it must not');
  }
}
