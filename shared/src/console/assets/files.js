// The file of a message below its line, and the question that a tap answers above it: loaded
// when the first one is shown.
//
// What a file is, the server says by its bytes; nothing of it becomes markup.

const WORDS = {
  zh: { open: '打开文件', enlarge: '查看大图' },
  en: { open: 'Open the file', enlarge: 'Show it large' },
};
// What browsers play: WeChat's own voice (AMR) is not among it.
const PLAYED = /^(audio\/(mpeg|m4a|x-wav|ogg)|video\/(mp4|webm))$/;

function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

function size(bytes, lang) {
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, 'kilobyte'] : [bytes / 1e6, 'megabyte'];
  return new Intl.NumberFormat(lang, { style: 'unit', unit, maximumFractionDigits: 1 }).format(value);
}

function away(file, props, ...children) {
  return el('a', { href: file.url, target: '_blank', rel: 'noreferrer', ...props }, ...children);
}

function made(file, lang, words) {
  if (file.state === 'missing') return el('p', { className: 'why failed' }, file.reason[lang]);
  const [sort] = file.type.split('/');
  if (sort === 'image') {
    const picture = el('img', { src: file.url, alt: words, loading: 'lazy' });
    Object.assign(picture.style, { display: 'block', maxWidth: '100%', maxHeight: '320px', minHeight: '48px', borderRadius: '8px' });
    return away(file, { title: WORDS[lang].enlarge }, picture);
  }
  if (PLAYED.test(file.type)) {
    const player = el(sort, { src: file.url, controls: true, preload: 'none' });
    Object.assign(player.style, { maxWidth: '100%', maxHeight: '320px' });
    return player;
  }
  const kind = file.type.split('/')[1].toUpperCase();
  return away(file, {}, `${WORDS[lang].open} (${kind}, ${size(file.size, lang)})`);
}

// `data` may hold the question that was answered by a tap.
export function show(line, { media, data }, lang) {
  const text = line.querySelector('.text');
  line.querySelector('.file')?.remove();
  line.querySelector('.asked')?.remove();
  if (media) text.after(el('div', { className: 'file' }, made(media, lang, text.textContent)));
  if (data?.question) text.before(el('p', { className: 'asked quiet', dir: 'auto' }, `↪ ${data.question.text}`));
}
