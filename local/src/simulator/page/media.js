"use strict";

// What is no text: how the chat shows it, and how a customer sends it.
const MIB = 1048576;
const files = {
  image: { accept: "image/png,image/jpeg,image/gif", most: 10, path: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9.5h.01" },
  voice: { accept: ".amr,.mp3,audio/amr,audio/mpeg", most: 2, path: "M12 3a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3M5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21" },
  video: { accept: "video/mp4", most: 20, path: "M3 6h12v12H3zM15 10.5l6-3.5v10l-6-3.5" },
};
const PLACE = "M12 21c-4-5-6-8-6-11a6 6 0 0 1 12 0c0 3-2 6-6 11M12 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4";

// What arrives late makes the chat longer; who looked at its end still does.
function keepLow() {
  const chat = $("chat");
  if (chat.scrollHeight - chat.scrollTop - chat.clientHeight < 420) chat.scrollTop = chat.scrollHeight;
}

const gone = e => e.replaceWith(make("span", { className: "fine", textContent: t.gone }));

function image(shown, alt) {
  const e = make("img", { className: "shot", src: shown.path, alt });
  e.onload = keepLow;
  e.onerror = () => gone(e);
  return e;
}

function player(tag, shown, label, props) {
  const e = make(tag, { controls: true, preload: "metadata", src: shown.path, ...props });
  e.ariaLabel = label;
  e.onloadedmetadata = keepLow;
  // Browsers play no AMR, and not every film.
  e.onerror = () => e.replaceWith(make("a", { href: shown.path, target: "_blank", rel: "noopener", textContent: `${label} · ${shown.content_type}` }));
  return e;
}

// A card opens nothing but pages, and shows no picture that lies elsewhere.
function card(kind, { title, description, url, picture }) {
  const own = picture && new URL(picture, location.href).origin === location.origin;
  const parts = [
    make("b", { textContent: title || kind }), description ? make("span", { className: "fine", textContent: description }) : "",
    own ? image({ path: picture }, "") : "", make("small", { textContent: kind }),
  ];
  return /^https?:\/\//.test(url || "") ? make("a", { className: "card", href: url, target: "_blank", rel: "noopener noreferrer" }, ...parts) : make("div", { className: "card" }, ...parts);
}

function attached(a) {
  const kind = t.types[a.type];
  switch (a.type) {
    case "image": return make("a", { href: a.media.path, target: "_blank", rel: "noopener" }, image(a.media, kind));
    case "voice": return a.media.content_type === "audio/amr"
      ? make("a", { href: a.media.path, target: "_blank", rel: "noopener", textContent: `${kind} · AMR` }) : player("audio", a.media, kind, {});
    case "video": return make("div", {}, player("video", a.media, a.title || kind, { className: "shot", poster: a.thumb ? a.thumb.path : "" }),
      a.title ? make("b", { textContent: a.title }) : "", a.description ? make("p", { className: "fine", textContent: a.description }) : "");
    case "music": return card(kind, { title: a.title, description: a.description, url: a.url, picture: a.thumb.path });
    case "page": return card(kind, a);
    case "mini_program": return card(kind, { title: a.title, description: `${a.app_id} · ${a.path}`, picture: a.thumb.path });
    case "notice": return card(a.title, { title: a.title, description: a.text, url: a.url });
    case "coupon": return card(kind, { title: a.card_id });
    default: return card(kind, { title: a.label, description: `${a.latitude}, ${a.longitude}` });
  }
}

async function sendFile(kind, file) {
  const { most } = files[kind];
  if (file.size > most * MIB) { toast(t.tooLarge(most)); return; }
  const who = { account: here().app_id, customer: person().open_id };
  const query = new URLSearchParams({ ...who, kind, name: file.name.slice(-60) });
  const put = await post(`/sim/media?${query}`, "application/octet-stream", file);
  if (put) await call("/sim/act", { ...who, act: kind, media_id: put.media_id });
}

function place(open) {
  tray(false);
  $("place").hidden = !open;
  if (open) $("place-label").focus();
}

function senders() {
  const button = (path, word, onclick) => $("tray").append(make("button", { type: "button", onclick }, make("span", {}, icon(path)), word));
  for (const [kind, { accept, path }] of Object.entries(files))
    button(path, t.types[kind], () => {
      tray(false);
      const chooser = make("input", { type: "file", accept });
      chooser.onchange = () => { if (chooser.files.length) sendFile(kind, chooser.files[0]); };
      chooser.click();
    });
  button(PLACE, t.types.location, () => place(true));
  button(BELL, t.subscribe, subscribe);
  $("place-label").value = t.shanghai;
  $("place-cancel").onclick = () => { place(false); $("plus").focus(); };
  $("place").onsubmit = e => {
    e.preventDefault();
    place(false);
    act("location", { latitude: Number($("latitude").value), longitude: Number($("longitude").value), label: $("place-label").value.trim() });
  };
}
