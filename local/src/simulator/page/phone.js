"use strict";

const $ = id => document.getElementById(id);

let state = null;
let account = sessionStorage.getItem("account");
let customer = sessionStorage.getItem("customer");
let drawn = { customer: null, id: 0, last: 0 };
const drafts = new Map();

document.documentElement.lang = zh ? "zh-CN" : "en";
document.title = t.page;
for (const e of document.querySelectorAll("[data-t]")) e.textContent = t[e.dataset.t];
for (const e of document.querySelectorAll("[data-label]")) { e.ariaLabel = t[e.dataset.label]; e.title = e.tagName === "BUTTON" ? t[e.dataset.label] : ""; }
for (const e of document.querySelectorAll("[data-hint]")) e.placeholder = t[e.dataset.hint];

function make(tag, props, ...children) {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...children);
  return e;
}

const button = (textContent, onclick, props) => make("button", { type: "button", textContent, onclick, ...props });

// Whether something is other than when this was last asked.
const told = {};
function anew(what, value) {
  const before = told[what];
  return before !== (told[what] = JSON.stringify(value));
}

const here = () => state && (state.accounts.find(a => a.app_id === account) || state.accounts[0]);
const person = () => { const a = here(); return a && (a.customers.find(c => c.open_id === customer) || a.customers[0]); };
const clock = ms => new Date(ms).toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit", hour12: false });
function when(ms) {
  const day = new Date(ms), today = new Date();
  return day.toDateString() === today.toDateString() ? clock(ms)
    : `${day.toLocaleDateString(lang, { month: "short", day: "numeric" })} ${clock(ms)}`;
}

async function post(path, type, body) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "content-type": type, "x-magpie-phone": "1" }, body });
    if (answer.ok) return answer.status === 204 ? {} : await answer.json();
    toast((await answer.json().catch(() => ({}))).error || `HTTP ${answer.status}`);
  } catch {
    toast(t.offline);
  }
  return null;
}
const call = (path, body) => post(path, "application/json", JSON.stringify(body));
const tell = (what, more) => call(`/sim/${what}`, { account: here().app_id, ...more });
const act = (name, more) => tell("act", { customer: person().open_id, act: name, ...more });

let fading;
function toast(text) {
  $("toast").textContent = text;
  $("toast").hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { $("toast").hidden = true; }, 4000);
}

function show(view) { document.body.dataset.view = view; markRead(); }

function markRead() {
  const c = person();
  const seen = innerWidth >= 720 || document.body.dataset.view === "chat";
  if (c && c.unread && seen && document.visibilityState === "visible") tell("read", { customer: c.open_id });
}

function choose(openId) {
  const before = person();
  if (before) drafts.set(before.open_id, $("words").value);
  customer = openId;
  sessionStorage.setItem("customer", openId);
  $("words").value = drafts.get(openId) || "";
  tray(false);
  draw();
  grow();
  show("chat");
  if (matchMedia("(hover: hover)").matches) $("words").focus();
}

function avatar(name, colour) {
  const letter = [...name][0] || "?";
  const e = make("span", { className: colour === undefined ? "avatar brand" : "avatar", textContent: letter, ariaHidden: "true" });
  if (colour !== undefined) e.dataset.c = colour % 5;
  return e;
}

function say(bubble) {
  if (bubble.attachment) return `[${t.types[bubble.attachment.type]}]`;
  return bubble.kind === "note" ? t[bubble.note](bubble.text).split("\n")[0] : bubble.text;
}

function drawPeople(a) {
  const rows = a.customers.map((c, n) => {
    const last = c.bubbles.at(-1);
    const line = !c.following ? `[${t.notFollowing}]` : last ? say(last) : "";
    const button = make("button", { type: "button", onclick: () => choose(c.open_id) },
      avatar(c.name, n), make("b", { textContent: c.name }), make("time", { textContent: last ? when(last.at_ms) : "" }),
      make("span", { className: "last", textContent: line }), c.unread ? make("span", { className: "badge", textContent: c.unread }) : "");
    if (c === person()) button.ariaCurrent = "true";
    return make("li", {}, button);
  });
  const held = [...$("people").children].findIndex(li => li.contains(document.activeElement));
  $("people").replaceChildren(...rows);
  rows[held]?.firstChild.focus();
  const select = $("accounts");
  select.hidden = state.accounts.length < 2;
  if (select.options.length !== state.accounts.length) select.replaceChildren(...state.accounts.map(x => new Option(x.name, x.app_id)));
  select.value = a.app_id;
}

// WeChat draws links that an account writes; nothing else of a text is markup.
function rich(text) {
  const parts = document.createDocumentFragment();
  let at = 0;
  for (const link of text.matchAll(/<a\s+href="(https?:\/\/[^"]+)"[^>]*>([^<]*)<\/a>/g)) {
    parts.append(text.slice(at, link.index), make("a", { href: link[1], textContent: link[2], target: "_blank", rel: "noopener noreferrer" }));
    at = link.index + link[0].length;
  }
  parts.append(text.slice(at));
  return parts;
}

function row(bubble, a, c) {
  if (bubble.kind === "note") {
    const note = make("p", { className: "note" });
    t[bubble.note](bubble.text).split("\n").forEach((line, n) => note.append(n ? make("br") : "", line));
    return note;
  }
  const mine = bubble.kind === "mine";
  const sent = bubble.attachment;
  const bare = sent && ["image", "video"].includes(sent.type);
  const body = make("div", { className: bare ? "bubble bare" : "bubble" }, sent ? attached(sent) : mine ? bubble.text : rich(bubble.text));
  for (const choice of bubble.choices || [])
    body.append(button(choice.text, () => act("choose", choice), { className: "choice" }));
  const line = make("div", { className: mine ? "row mine" : "row" }, mine ? avatar(c.name, a.customers.indexOf(c)) : avatar(bubble.agent || a.name), body);
  const notes = [bubble.agent ? t.agent(bubble.agent) : "", bubble.by_ai ? t.byAi : ""].filter(Boolean).join(" · ");
  if (!notes) return line;
  line.classList.add("noted");
  line.append(make("small", { className: "fine", textContent: notes }));
  return line;
}

function drawChat(a, c) {
  const chat = $("chat");
  const first = c.bubbles[0];
  const fresh = drawn.customer !== c.open_id || (c.bubbles.at(-1)?.id || 0) < drawn.id || (first && first.id > drawn.id + 1 && drawn.id > 0);
  if (fresh) { chat.replaceChildren(); drawn = { customer: c.open_id, id: 0, last: 0 }; }
  const low = fresh || chat.scrollHeight - chat.scrollTop - chat.clientHeight < 120;
  const news = c.bubbles.filter(b => b.id > drawn.id);
  if (!c.bubbles.length && fresh) chat.append(make("p", { className: "note empty", textContent: c.following ? t.empty : t.stranger }));
  if (news.length) chat.querySelector(".empty")?.remove();
  for (const b of news) {
    if (b.at_ms - drawn.last > 300000) chat.append(make("p", { className: "note", textContent: when(b.at_ms) }));
    chat.append(row(b, a, c));
    drawn.id = b.id;
    drawn.last = b.at_ms;
  }
  if (news.length && (low || news.at(-1).kind === "mine") || fresh) chat.scrollTop = chat.scrollHeight;
}

const stages = { sending: ["wait", t.sending], taken: ["good", t.taken], failed: ["bad", t.pushFailed], not_connected: ["bad", t.notConnected] };
function drawStatus(a, c) {
  const p = c.last_push;
  const [dot, word] = p ? stages[p.stage] : ["", t.idle];
  const text = [word, ...(p?.attempts ? [p.status ? `HTTP ${p.status}` : t.noAnswer, `${p.took_ms} ms`, t.tries(p.attempts)] : [])].join(" · ");
  if ($("status").dataset.text !== dot + text) {
    $("status").dataset.text = dot + text;
    $("status").replaceChildren(make("span", { className: `dot ${dot}` }), text);
  }
}

function drawConsole(a, c) {
  $("name").textContent = a.name;
  $("app-id").textContent = a.app_id;
  $("address").textContent = a.callback_url;
  const link = a.connection;
  $("connection").replaceChildren(
    make("span", { className: `dot ${{ connected: "good", failed: "bad" }[link.state] || "wait"}` }),
    link.state === "failed" ? t.failed(link.status) : t[link.state]);
  for (const b of $("modes").children) b.ariaPressed = b.value === a.mode;
  drawWindow(c);
}

function drawWindow(c) {
  const open = c.window && c.window.until_ms > Date.now() ? c.window : null;
  $("window").replaceChildren(make("span", { className: `dot ${open ? (open.left ? "good" : "bad") : ""}` }),
    open ? t.left(open.left, when(open.until_ms)) : t.none);
}

function drawTyping(c) {
  $("owner").textContent = c.typing_until_ms > Date.now() ? t.typing : t.phone(c.name);
}

function draw() {
  const a = here();
  $("clock").textContent = clock(Date.now());
  if (!a) return;
  drawPeople(a);
  const c = person();
  const unread = a.customers.reduce((sum, x) => sum + x.unread, 0);
  document.title = unread ? `(${unread}) ${t.page}` : t.page;
  $("title").textContent = a.name;
  if (!c) return;
  drawChat(a, c);
  drawStatus(a, c);
  drawConsole(a, c);
  drawTyping(c);
  drawMenu(a, c);
  $("composer").hidden = !c.following;
  $("follow").hidden = c.following;
  if (!c.following) tray(false);
}

function grow() {
  const box = $("words");
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight, 120)}px`;
  const some = box.value.trim() !== "";
  $("send").hidden = !some;
  $("plus").hidden = some;
}

function tray(open) {
  $("tray").hidden = !open;
  $("place").hidden = true;
  $("plus").ariaExpanded = open;
  if (open) $("chat").scrollTop = $("chat").scrollHeight;
}

async function send() {
  const text = $("words").value;
  if (!text.trim() || !here()) return;
  $("words").value = "";
  grow();
  if (await act("say", { text }) === null && !$("words").value) { $("words").value = text; grow(); }
}

const icons = {
  menu: "M4 6h16M4 12h16M4 18h10", scan: "M4 9V5a1 1 0 0 1 1-1h4M15 4h4a1 1 0 0 1 1 1v4M20 15v4a1 1 0 0 1-1 1h-4M9 20H5a1 1 0 0 1-1-1v-4M4 12h16",
  view: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18", unfollow: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8M2 21c0-4 3-6 7-6s7 2 7 6M17 9h6",
};
function icon(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}
for (const [name, deed, more] of [["menu", "click", { key: "MENU_HELP" }], ["scan", "scan", { scene: "poster-7" }], ["view", "view", { url: "https://example.com/" }], ["unfollow", "unfollow", {}]])
  $("tray").append(make("button", { type: "button", onclick: () => { tray(false); act(deed, more); } }, make("span", {}, icon(icons[name])), t[name]));
senders();
for (const mode of ["plain", "compatible", "secure"])
  $("modes").append(button(t[mode], async () => {
    const kept = await tell("mode", { mode });
    if (kept && kept.state !== "connected") toast(t.modeKept);
  }, { value: mode }));

$("composer").onsubmit = e => { e.preventDefault(); send(); };
$("words").oninput = grow;
$("words").onfocus = () => tray(false);
// While an input method composes, Enter belongs to it; Safari says so with 229 only.
$("words").onkeydown = e => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return;
  e.preventDefault();
  send();
};
$("plus").onclick = () => tray($("tray").hidden);
$("follow").onclick = () => act("follow", {});
$("back").onclick = () => show("people");
$("to-console").onclick = () => show("console");
$("more").onclick = () => show(document.body.dataset.view === "console" ? "chat" : "console");
$("close").onclick = () => show(innerWidth < 720 ? "people" : "chat");
$("retry").onclick = async e => { e.target.disabled = true; await tell("handshake"); e.target.disabled = false; };
$("accounts").onchange = e => {
  account = e.target.value;
  sessionStorage.setItem("account", account);
  customer = null;
  draw();
  document.dispatchEvent(new Event("drawn"));
};
$("newcomer").onsubmit = async e => {
  e.preventDefault();
  const name = $("newcomer-name").value.trim();
  const made = name && await tell("customers", { name });
  if (made) { $("newcomer-name").value = ""; choose(made.customer); }
};
document.addEventListener("visibilitychange", markRead);

const source = new EventSource("/sim/events");
let lost = false;
source.onmessage = e => {
  state = JSON.parse(e.data);
  lost = false;
  draw();
  markRead();
  document.dispatchEvent(new Event("drawn"));
};
source.onerror = () => { if (!lost) toast(t.offline); lost = true; };
setInterval(() => { const c = person(); if (c) { drawTyping(c); drawWindow(c); } $("clock").textContent = clock(Date.now()); }, 1000);
