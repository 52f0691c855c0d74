"use strict";

// The account's menu below the chat: the one for everybody.
let menuDrawn = "";

function tap(button) {
  unfold(null);
  if (button.type === "click") act("click", { key: button.key });
  else if (button.type === "view") act("view", { url: button.url });
  else toast(t.noTap);
}

// Of the lists that open from buttons one is open at a time.
function unfold(wanted) {
  for (const opens of $("menu").querySelectorAll("[aria-expanded]")) {
    const open = opens === wanted && opens.getAttribute("aria-expanded") === "false";
    opens.setAttribute("aria-expanded", open);
    opens.nextSibling.hidden = !open;
  }
}

const menuButton = (one, onclick) => make("button", { type: "button", textContent: one.name, onclick });

function drawMenu(a, c) {
  $("menu").hidden = !a.menu || !c.following;
  const now = JSON.stringify([a.app_id, a.menu]);
  if (now === menuDrawn) return;
  menuDrawn = now;
  $("menu").replaceChildren(...(a.menu || []).map(one => {
    if (!one.sub_button.length) return make("div", {}, menuButton(one, () => tap(one)));
    const opens = menuButton(one, () => unfold(opens));
    opens.setAttribute("aria-expanded", false);
    return make("div", {}, opens, make("ul", { hidden: true }, ...one.sub_button.map(sub => make("li", {}, menuButton(sub, () => tap(sub))))));
  }));
}
document.addEventListener("keydown", e => { if (e.key === "Escape") unfold(null); });
