
for (const node of document.querySelectorAll('[data-t]')) node.says = { textContent: () => { node.textContent = t(node.dataset.t); } };
for (const node of document.querySelectorAll('[data-label]')) node.says = { ariaLabel: () => { node.ariaLabel = t(node.dataset.label); } };
const keptLang = keptItem('magpie:lang');
speak(['zh', 'en'].includes(keptLang) ? keptLang : navigator.language.startsWith('zh') ? 'zh' : 'en');

const [, , area, name, part] = location.pathname.split('/');
for (const a of document.querySelectorAll('#nav a')) {
  if (a.pathname === `/console/${area}`) a.ariaCurrent = name ? 'true' : 'page';
}
const shown = part || (area === 'status' ? 'status' : !name ? 'list' : name === 'new' && location.hash !== '#channel' ? 'setup' : 'channel');
page = PAGES[shown](name);
setInterval(refresh, 15e3);
start();
