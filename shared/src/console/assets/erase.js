// The erasure of a customer. Loaded when an agent asks for it, or when one is to come.

const WORDS = {
  zh: {
    what: '此客户的全部消息、文件和资料将被永久删除，无法恢复。客户再次发言时，将作为新客户。', yes: '永久删除',
    done: '已删除。以下内容保存在别处：', going: '正在删除，几分钟内自动完成。以下内容保存在别处：', until: (day) => `（保留至${day}）`,
    unfollowed: (day) => `客户已取消关注，资料将于${day}删除；重新关注或再次发言则保留。`,
    consent: (day) => `客户已撤回授权，资料将于${day}删除。`,
  },
  en: {
    what: 'All messages, files and details of this customer are deleted for good. A customer who writes again is a new one.', yes: 'Erase for good',
    done: 'Erased. What is kept elsewhere:', going: 'It is being erased, and ends by itself within minutes. What is kept elsewhere:', until: (day) => ` (until ${day})`,
    unfollowed: (day) => `They left: they are erased on ${day}, unless they come back or write.`,
    consent: (day) => `They withdrew a consent: they are erased on ${day}.`,
  },
};

function el(tag, props, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

// When and why a customer is erased by themselves.
export const leaves = (cause, day, lang) => WORDS[lang][cause](day);

// What is gone is gone for everybody: it is asked once more.
export function ask({ id, lang, call, body, problem, close, dialog, until }) {
  const words = WORDS[lang];
  const yes = el('button', { type: 'button', className: 'danger' }, words.yes);
  yes.onclick = async () => {
    yes.disabled = true;
    problem.textContent = '';
    try {
      const { finished, remains } = await call('DELETE', `customers/${id}`);
      localStorage.removeItem(`magpie:draft:${id}`);
      const kept = remains.map((one) => el('li', {}, one[lang] + (one.until ? words.until(until(one.until)) : '')));
      body.replaceChildren(el('p', {}, finished ? words.done : words.going), el('ul', {}, ...kept));
      // Whatever the page still shows of them goes, too.
      dialog.addEventListener('close', () => {
        location.hash = '';
        location.reload();
      });
    } catch (p) {
      yes.disabled = false;
      problem.textContent = p.message;
    }
    close.focus();
  };
  body.replaceChildren(el('p', {}, words.what), el('div', { className: 'choices' }, yes));
  close.focus();
}
