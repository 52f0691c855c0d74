
Object.assign(WORDS, {
  // What WeChat told of the account itself.
  events_list: ['微信的通知', 'What WeChat told'],
  events_what: ['群发、文章发布和模板消息的结果，认证、名称和年审，以及粉丝的授权变更。保留约一个月，最新的在最前。', 'What became of mass messages, publications and template messages; verification, name and the yearly renewal; followers who changed or withdrew their consent. Kept for about a month, newest first.'],
  events_none: ['还没有通知。', 'Nothing yet.'],
  event_time: ['时间', 'When'],
  event_what: ['内容', 'What'],
  event_more: ['详情', 'More'],
  event_counts: [(sent, total) => `发送成功 ${sent} / ${total}`, (sent, total) => `${sent} of ${total} were sent`],
  event_failed: [(n) => `失败 ${n}`, (n) => `${n} failed`],
  alarm_until: [(when) => `期限：${when}`, (when) => `Ends: ${when}`],
  event_article: [(n) => `第 ${n} 篇文章`, (n) => `Article ${n}`],
});
