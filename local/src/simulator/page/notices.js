"use strict";

// Notices: the customer's subscriptions, and the calls that can be ordered to go wrong.
const calls = {};
for (const path of "message/custom/send message/custom/typing stable_token token media/upload media/get qrcode/create menu/create menu/get menu/delete openapi/quota/get openapi/rid/get clear_quota user/info tags/create tags/get tags/update tags/delete".split(" "))
  calls[path.replace(/^(openapi|message.custom)./, "").replace("/", "_")] = path;
Object.assign(calls, { menu_add_conditional: "menu/addconditional", menu_del_conditional: "menu/delconditional", update_remark: "user/info/updateremark",
  batch_tagging: "tags/members/batchtagging", batch_untagging: "tags/members/batchuntagging", callback_ip: "getcallbackip",
  template_send: "message/template/send", subscribe_send: "message/subscribe/bizsend", template_list: "template/get_all_private_template", subscribe_list: "newtmpl/gettemplate" });

const BELL = "M6 17V11a6 6 0 0 1 12 0v6l2 2H4zM10 21h4";
Object.assign(t, zh
  ? { subscribe: "订阅通知", subscribed: x => `你订阅了「${named(x)}」一次`, declined: x => `你拒绝了「${named(x)}」`, allow: "允许一次", refuse: "拒绝", noTemplates: "此公众号没有订阅通知模板", leftOf: n => `还可收到 ${n} 次` }
  : { subscribe: "Subscribe", subscribed: x => `You asked for one “${named(x)}”`, declined: x => `You want no “${named(x)}”`, allow: "Allow one", refuse: "Refuse", noTemplates: "This account has no templates to subscribe to", leftOf: n => `${n} left` });
t.types.notice = zh ? "通知" : "Notice";

const named = id => (here()?.templates.find(x => x.id === id) || { title: id }).title;

function subscribe() {
  tray(false);
  const a = here(), c = person();
  if (!a.templates.length) { toast(t.noTemplates); return; }
  const box = make("dialog", { ariaLabel: t.subscribe });
  const answer = (template, accept) => { box.close(); act("subscribe", { template, accept }); };
  for (const one of a.templates)
    box.append(make("p", {}, make("b", { textContent: one.title }), " ", make("small", { className: "fine", textContent: t.leftOf(c.subscriptions[one.id] || 0) })),
      button(t.allow, () => answer(one.id, true)), " ", button(t.refuse, () => answer(one.id, false)));
  box.append(make("p", {}, button(t.close, () => box.close(), { className: "quiet" })));
  box.onclose = () => box.remove();
  document.body.append(box);
  box.showModal();
}
