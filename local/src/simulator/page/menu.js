"use strict";

// The account's menu below the chat: the one for everybody.

function tap(button) {
  unfold(null);
  if (button.type === "click") act("click", { key: button.key });
  else if (button.type === "view") act("view", { url: button.url });
  else toast(t.noTap);
}

// Of the lists that open from buttons one is open at a time.
function unfold(wanted) {
  for (const opens of $("menu").querySelectorAll("[aria-expanded]")) {
    const open = opens === wanted && opens.ariaExpanded === "false";
    opens.ariaExpanded = open;
    opens.nextSibling.hidden = !open;
  }
}

function drawMenu(a, c) {
  $("menu").hidden = !a.menu || !c.following;
  if (!anew("menu", [a.app_id, a.menu])) return;
  $("menu").replaceChildren(...(a.menu || []).map(one => {
    if (!one.sub_button.length) return make("div", {}, button(one.name, () => tap(one)));
    const opens = button(one.name, () => unfold(opens));
    opens.ariaExpanded = false;
    return make("div", {}, opens, make("ul", { hidden: true }, ...one.sub_button.map(sub => make("li", {}, button(sub.name, () => tap(sub))))));
  }));
}
document.addEventListener("keydown", e => { if (e.key === "Escape") unfold(null); });
