// A QR code of a short text, as ISO/IEC 18004 has it: bytes, error correction of level M.
// Loaded when the first picture of a code is shown. What comes out is a matrix: true is dark.

// By version from 1 to 6: bytes of error correction in a block, blocks, bytes of data in each.
// Larger ones are put together in other ways, and no address of WeChat's needs them.
const VERSIONS = [[10, 1, 16], [16, 1, 28], [26, 1, 44], [18, 2, 32], [24, 2, 43], [16, 4, 27]];
const MASKS = [
  (x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2, (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

// The field of 256 elements over x⁸ + x⁴ + x³ + x² + 1: powers of 2, and back.
const POWERS = [];
const LOGS = [];
for (let i = 0, value = 1; i < 255; i += 1) {
  POWERS[i] = value;
  LOGS[value] = i;
  value = value < 128 ? value * 2 : (value * 2) ^ 0x11d;
}
const times = (a, b) => (a && b ? POWERS[(LOGS[a] + LOGS[b]) % 255] : 0);

// What is left of the data divided by (x - 2⁰)(x - 2¹)…
function correction(data, count) {
  let divisor = [1];
  for (let i = 0; i < count; i += 1) {
    divisor = [...divisor, 0].map((value, n) => value ^ times(divisor[n - 1] ?? 0, POWERS[i]));
  }
  const rest = [...data, ...Array(count).fill(0)];
  for (let i = 0; i < data.length; i += 1) {
    const first = rest[i];
    divisor.forEach((value, n) => { rest[i + n] ^= times(value, first); });
  }
  return rest.slice(data.length);
}

// The bytes in the order in which they are drawn.
function drawn(bytes, [extra, blocks, size]) {
  const bits = [0, 1, 0, 0, ...bitsOf(bytes.length, 8), ...bytes.flatMap((byte) => bitsOf(byte, 8)), 0, 0, 0, 0];
  const data = [];
  for (let i = 0; i < bits.length; i += 8) data.push(parseInt(bits.slice(i, i + 8).join(''), 2));
  for (let i = 0; data.length < blocks * size; i += 1) data.push(i % 2 ? 0x11 : 0xec);
  const parts = Array.from({ length: blocks }, (_, i) => data.slice(i * size, (i + 1) * size));
  const woven = (lists) => lists[0].flatMap((_, i) => lists.map((list) => list[i]));
  return [...woven(parts), ...woven(parts.map((part) => correction(part, extra)))];
}
const bitsOf = (value, count) => Array.from({ length: count }, (_, i) => (value >> (count - 1 - i)) & 1);

// Fifteen bits that tell level and mask, five of them and what corrects those.
function format(mask) {
  let rest = mask << 10; // level M is 00
  for (let i = 14; i >= 10; i -= 1) if ((rest >> i) & 1) rest ^= 0x537 << (i - 10);
  return bitsOf(((mask << 10) | rest) ^ 0x5412, 15);
}

// How hard it would be to read.
function penalty(dark) {
  const side = dark.length;
  const turned = dark.map((_, x) => dark.map((row) => row[x]));
  let points = 0;
  for (const line of [...dark, ...turned]) {
    const text = line.map(Number).join('');
    for (const run of text.match(/0{5,}|1{5,}/g) || []) points += run.length - 2;
    for (let i = 0; i + 11 <= side; i += 1) if (/^(10111010000|00001011101)$/.test(text.slice(i, i + 11))) points += 40;
  }
  for (let y = 1; y < side; y += 1) {
    for (let x = 1; x < side; x += 1) {
      if (dark[y][x] === dark[y - 1][x] && dark[y][x] === dark[y][x - 1] && dark[y][x] === dark[y - 1][x - 1]) points += 3;
    }
  }
  const share = dark.flat().filter(Boolean).length / side ** 2;
  return points + 10 * Math.floor(Math.abs(share - 0.5) * 20);
}

function matrix(words, version, mask) {
  const side = 17 + 4 * version;
  const dark = Array.from({ length: side }, () => Array(side).fill(null)); // null: still free
  const square = (cx, cy, reach, isDark) => {
    for (let y = Math.max(0, cy - reach); y <= Math.min(side - 1, cy + reach); y += 1) {
      for (let x = Math.max(0, cx - reach); x <= Math.min(side - 1, cx + reach); x += 1) dark[y][x] = isDark(Math.max(Math.abs(x - cx), Math.abs(y - cy)));
    }
  };
  for (const [x, y] of [[3, 3], [side - 4, 3], [3, side - 4]]) square(x, y, 4, (ring) => ring !== 2 && ring !== 4);
  if (version > 1) square(side - 7, side - 7, 2, (ring) => ring !== 1);
  for (let i = 8; i < side - 8; i += 1) dark[6][i] = dark[i][6] = i % 2 === 0;
  format(mask).forEach((bit, i) => {
    const [up, left] = [i < 6 ? i : i === 6 ? 7 : side - 15 + i, i < 7 ? side - 1 - i : i < 9 ? 15 - i : 14 - i];
    dark[8][up] = dark[left][8] = bit === 1;
  });
  dark[side - 8][8] = true;
  // Two columns at a time, from the right, up and down by turns, around the column of the clock.
  const bits = words.flatMap((word) => bitsOf(word, 8));
  let next = 0;
  for (let right = side - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5;
    for (let i = 0; i < side; i += 1) {
      const y = up ? side - 1 - i : i;
      for (const x of [right, right - 1]) {
        if (dark[y][x] !== null) continue;
        dark[y][x] = (bits[next] === 1) !== (MASKS[mask](x, y) === 0);
        next += 1;
      }
    }
  }
  return dark;
}

/** The code of a text, or nothing where it is too long. */
export function code(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const version = 1 + VERSIONS.findIndex(([, blocks, size]) => bytes.length + 2 <= blocks * size);
  if (!version) return null;
  const words = drawn(bytes, VERSIONS[version - 1]);
  const all = MASKS.map((_, mask) => matrix(words, version, mask));
  const points = all.map(penalty);
  return all[points.indexOf(Math.min(...points))];
}
