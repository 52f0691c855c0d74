"use strict";

// What goes wrong at WeChat, what the account is and may do, who may ask for its tokens.
const option = (value, text) => new Option(text, value);
const number = (id, blank) => $(id).value.trim() === "" ? blank : Number($(id).value);

for (const [name, path] of Object.entries(calls)) $("order-call").append(option(name, path));
for (const what of ["code", "status", "late", "close_before", "close_after", "silence"]) $("order-what").append(option(what, t[what]));
for (const status of [500, 502, 503]) $("order-status").append(option(status, status));
fetch("/sim/codes").then(answer => answer.json()).then(codes => {
  for (const { code, words } of codes) $("order-code").append(option(code, `${code} ${words}`));
  $("order-code").value = "45009";
}).catch(() => toast(t.offline));

function fitOrder() {
  const what = $("order-what").value;
  $("order-code-row").hidden = what !== "code";
  $("order-status-row").hidden = what !== "status";
  $("order-delay-row").hidden = $("order-delay").disabled = what === "silence";
  $("order-delay").min = what === "late" ? 1 : 0;
  $("order-times").disabled = $("order-forever").checked;
}

function trouble() {
  const what = $("order-what").value;
  if (what === "code") return { code: Number($("order-code").value) };
  return what === "status" ? { status: Number($("order-status").value) } : what;
}

$("order-what").onchange = fitOrder;
$("order-forever").onchange = fitOrder;
fitOrder();
$("order").onsubmit = e => {
  e.preventDefault();
  call("/sim/order", {
    call: $("order-call").value,
    times: $("order-forever").checked ? null : number("order-times", 1),
    delay_ms: $("order-what").value === "silence" ? 0 : number("order-delay", 0),
    trouble: trouble(),
  });
};
$("call-off-all").onclick = () => call("/sim/call-off", { id: null });

function orderLine(order) {
  const what = order.trouble.code ?? (order.trouble.status ? `HTTP ${order.trouble.status}` : t[order.trouble]);
  return [calls[order.call], what, order.delay_ms ? t.plus_ms(order.delay_ms) : "", t.rest(order.times)].filter(Boolean).join(" · ");
}

function drawOrders() {
  if (!anew("orders", state.mishaps)) return;
  const held = document.activeElement?.dataset.order;
  $("orders-count").hidden = $("call-off-all").hidden = !state.mishaps.length;
  $("orders-count").textContent = state.mishaps.length;
  $("orders").replaceChildren(...(state.mishaps.length ? state.mishaps.map(order => {
    const stop = button(t.callOff, () => call("/sim/call-off", { id: order.id }), { className: "quiet", ariaLabel: `${t.callOff}: ${orderLine(order)}` });
    stop.dataset.order = order.id;
    return make("li", {}, make("span", { textContent: orderLine(order) }), stop);
  }) : [make("li", { textContent: t.noOrders })]));
  // Who stands on a button that is drawn anew, or is gone, goes on from there.
  if (held) ($("orders").querySelector(`[data-order="${held}"]`) || $("orders").querySelector("button") || $("order").querySelector("[type=submit]")).focus();
}

for (const kind of ["service", "subscription", "overseas"])
  $("kinds").append(button(t[kind], () => tell("kind", { kind }), { value: kind }));

const head = make("div", { ariaHidden: "true" }, make("span"), make("span", { textContent: t.a_day }), make("span", { textContent: t.a_minute }), make("span", { textContent: t.today }));
$("limits").append(head, ...Object.entries(calls).map(([name, path]) => {
  const field = span => make("input", { id: `${name}-${span}`, type: "number", inputMode: "numeric", min: 0, max: 4294967295, step: 1, ariaLabel: `${path}, ${t[span]}` });
  return make("div", {}, make("span", { textContent: path.replace("message/", "") }), field("a_day"), field("a_minute"), make("span", { id: `${name}-today` }));
}), make("button", { type: "submit", className: "quiet", textContent: t.save }));

$("limits").onsubmit = async e => {
  e.preventDefault();
  let all = true;
  for (const name of Object.keys(calls))
    all = await tell("limits", { call: name, a_day: number(`${name}-a_day`, null), a_minute: number(`${name}-a_minute`, null) }) !== null && all;
  if (all) toast(t.saved);
};
$("allowed").onsubmit = async e => {
  e.preventDefault();
  const addresses = $("addresses").value.split(/[\s,，、]+/).filter(Boolean);
  if (await tell("addresses", { addresses })) toast(t.saved);
};

// What a person is typing stays until WeChat's side itself changes.
const fields = new Map();
function fill(id, value) {
  const text = `${here().app_id} ${value}`;
  if (fields.get(id) === text) return;
  fields.set(id, text);
  $(id).value = value;
}

function drawControls() {
  const a = here();
  drawOrders();
  if (!a) return;
  for (const b of $("kinds").children) b.ariaPressed = b.value === a.kind;
  for (const limit of a.limits) {
    fill(`${limit.call}-a_day`, limit.a_day ?? "");
    fill(`${limit.call}-a_minute`, limit.a_minute ?? "");
    $(`${limit.call}-today`).textContent = limit.today;
  }
  fill("addresses", a.addresses.join(", "));
}
document.addEventListener("drawn", drawControls);
if (state) drawControls();
