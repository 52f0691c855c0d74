"use strict";

// What WeChat saw and did, newest first: the newest come with every state, the rest when asked for.
let every = null;
let asking = false;
let again = false;

async function askForAll() {
  if (asking) { again = true; return; }
  asking = true;
  try {
    const answer = await (await fetch("/sim/sights")).json();
    if (every) { every = answer; drawSights(every); }
  } catch {
    toast(t.offline);
  }
  asking = false;
  if (again) { again = false; if (every) askForAll(); }
}

const ms = took => took === null ? "" : ` · ${took}\u00a0ms`;

function outcome(call) {
  const o = call.outcome;
  const [style, text] = o === "silent" ? ["bad", t.noReply] : o === "closed_before" ? ["bad", t.closed]
    : o.closed_after !== undefined ? ["bad", t.closed + t.did(o.closed_after)]
    : o.status !== undefined ? ["bad", `HTTP\u00a0${o.status}`] : [o.code ? "bad" : "", o.code || "ok"];
  return [style, text + ms(call.took_ms)];
}

function attempt(one, last, stage) {
  const said = one.status === null ? t.noReply : `HTTP\u00a0${one.status}${one.status === 200 && !(last && stage === "taken") ? ` (${t.badReply})` : ""}`;
  return said + ms(one.took_ms);
}

function pushed(push) {
  const [style, word] = stages[push.stage];
  return [style, push.tries.length > 1 ? `${word} · ${t.tries(push.tries.length)}` : word];
}

function checked(check) {
  const link = check.connection;
  const style = { connected: "", failed: "bad" }[link.state] ?? "wait";
  const word = { connected: "ok", failed: link.status ? `HTTP\u00a0${link.status}` : t.noReply }[link.state] ?? "…";
  return [style, word + ms(check.took_ms)];
}

function sightRow(sight) {
  const [what, [style, end]] = sight.kind === "call" ? [`${sight.method} ${sight.path.replace("/cgi-bin/", "")}`, outcome(sight)]
    : sight.kind === "push" ? [t.push(sight.what), pushed(sight)] : [t.check, checked(sight)];
  const a = state.accounts.find(x => x.app_id === sight.app_id);
  const person = sight.customer && state.accounts.flatMap(x => x.customers).find(c => c.open_id === sight.customer);
  const more = [
    state.accounts.length > 1 && a ? a.name : "", person ? person.name : "", sight.text || "",
    ...(sight.tries || []).map((one, n, list) => attempt(one, n === list.length - 1, sight.stage)), sight.ordered ? t.ordered : "",
  ].filter(Boolean).join(" · ");
  return make("li", {}, make("time", { textContent: new Date(sight.at_ms).toLocaleTimeString(lang, { hour12: false }) }),
    make("span", { className: "what", textContent: what }), make("b", { className: style, textContent: end }),
    more ? make("span", { className: "more", textContent: more }) : "");
}

function drawSights(list) {
  if (!anew("sights", list)) return;
  $("sights").replaceChildren(...(list.length ? list.map(sightRow) : [make("li", { textContent: t.noCalls })]));
}

$("all-sights").onclick = e => {
  every = every ? null : [];
  e.target.ariaPressed = every !== null;
  e.target.textContent = every ? t.few : t.all;
  if (every) askForAll(); else drawSights(state.sights);
};
const seen = () => every ? askForAll() : drawSights(state.sights);
document.addEventListener("drawn", seen);
if (state) seen();
