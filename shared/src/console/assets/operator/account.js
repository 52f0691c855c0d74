
// What the pages about a channel's account share: they stand below the channel's own.
async function accountOf(id) {
  const c = await channelOf(id);
  if (!c) return null;
  ui.back.href = pageOf(id);
  ui.back.hidden = false;
  tell(ui.back.lastElementChild, () => c.name);
  return c;
}
