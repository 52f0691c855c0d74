"use strict";

// Everything that the page says, in Chinese and in English.
const words = {
  zh: {
    page: "微信模拟器", people: "顾客", account: "公众号", newcomer: "新顾客的名字", add: "添加", back: "返回", console: "微信后台",
    close: "关闭", chat: "聊天记录", message: "输入消息", plus: "更多", send: "发送", follow: "关注公众号", unfollow: "取消关注",
    menuBar: "公众号菜单", noTap: "模拟器里没有这种按钮的效果",
    menu: "点菜单", scan: "扫一扫", view: "打开网页", mode: "消息加解密方式", plain: "明文", compatible: "兼容", secure: "安全",
    modeHint: "Magpie 的渠道要设成同样的方式；不一致时，顾客会看到服务故障的提示。", window: "还能回复这位顾客",
    calls: "微信看到了什么", noCalls: "还什么都没有", retry: "重新验证服务器地址", typing: "对方正在输入…", phone: name => `${name} 的手机`, none: "没有打开的窗口，现在发会得到 45015",
    left: (n, until) => `${n} 条，到 ${until} 为止`, untried: "服务器地址还没有验证", connected: "服务器地址已验证",
    failed: s => s ? `验证失败：HTTP ${s}` : "验证失败：没有回应", sending: "正在推送…", taken: "已推送", pushFailed: "推送失败", notConnected: "没有推送：服务器地址未通过验证",
    noAnswer: "没有回应", tries: n => `${n} 次`, idle: "还没有推送", empty: "说点什么吧，比如「你好」", stranger: "关注公众号以后就可以发消息", offline: "与模拟器的连接断开了，正在重连…",
    followed: () => "你关注了该公众号", unfollowed: () => "你已取消关注", tapped: t => `你点击了菜单「${t}」`, viewed: t => `你从菜单打开了 ${t}`,
    trouble: "让接口出错", call: "接口", what: "出什么错", code: "错误码", status: "HTTP 状态", times: "次数", forever: "所有调用，直到停止", delay: "延迟（毫秒）", order: "开始出错",
    late: "只延迟", close_before: "未处理就断开", close_after: "处理后断开，不回应", silence: "不处理也不回应（中断）", callOff: "停止", callOffAll: "全部停止", noOrders: "现在一切正常",
    rest: n => n === null ? "一直" : `还有 ${n} 次`, plus_ms: n => `晚 ${n} 毫秒`, rules: "账号与限额", kind: "账号类型", service: "服务号", subscription: "未认证公众号", overseas: "境外",
    kindHint: "未认证的公众号不能发客服消息（48001）；境外账号不能发菜单消息（40200）。", quota: "调用限额", a_day: "每日", a_minute: "每分钟", today: "今日", save: "保存", saved: "已保存",
    quotaHint: "留空表示不限。超过每日限额得到 45009，超过每分钟限额得到 45011。", addresses: "IP 白名单", addressesHint: "用逗号分隔；留空表示不限。名单以外的地址取 token 会得到 40164。",
    push: w => `推送 ${w}`, check: "验证服务器地址", ordered: "按要求出错", all: "显示最近 500 条", few: "只显示最新的", noReply: "无回应", closed: "已断开", did: c => c ? `（结果本是 ${c}）` : "（已处理）", badReply: "回应无效",
    scanned: t => `你扫了二维码「${t}」`, unavailable: () => "该公众号暂时无法提供服务，请稍后再试", modeKept: "验证没有通过，方式没有改变", notFollowing: "未关注",
    types: { image: "图片", voice: "语音", video: "视频", music: "音乐", page: "链接", mini_program: "小程序", coupon: "卡券", location: "位置" },
    gone: "已过期", tooLarge: n => `文件太大：最多 ${n} MB`, agent: n => `客服 ${n}`, byAi: "内容由第三方AI生成",
    placeLabel: "地点", latitude: "纬度", longitude: "经度", cancel: "取消", sendPlace: "发送位置", shanghai: "上海市黄浦区人民广场",
  },
  en: {
    page: "WeChat, simulated", people: "Customers", account: "Account", newcomer: "New customer", add: "Add", back: "Back", console: "WeChat's side",
    close: "Close", chat: "Chat", message: "Message", plus: "More", send: "Send", follow: "Follow the account", unfollow: "Unfollow",
    menuBar: "The account’s menu", noTap: "The simulation does not play this kind of button",
    menu: "Tap menu", scan: "Scan code", view: "Open page", mode: "Callback mode", plain: "Plain", compatible: "Compatible", secure: "Secure",
    modeHint: "Magpie's channel must be set to the same; otherwise customers see that the service is down.", window: "What may be sent to this customer",
    calls: "What WeChat saw", noCalls: "Nothing yet", retry: "Check the callback address again", typing: "typing…", phone: name => `${name}'s phone`, none: "No open window: a message now gets 45015",
    left: (n, until) => `${n} ${n === 1 ? "message" : "messages"}, until ${until}`, untried: "Callback address not checked yet", connected: "Callback address checked",
    failed: s => s ? `Check failed: HTTP ${s}` : "Check failed: no answer", sending: "Pushing…", taken: "Pushed", pushFailed: "Push failed", notConnected: "Not pushed: the callback address did not pass the check",
    noAnswer: "no answer", tries: n => n === 1 ? "1 attempt" : `${n} attempts`, idle: "Nothing pushed yet", empty: "Say something, for instance 你好", stranger: "Follow the account to write to it", offline: "The simulator is away, trying again…",
    followed: () => "You followed this account", unfollowed: () => "You unfollowed this account", tapped: t => `You tapped the menu entry “${t}”`, viewed: t => `You opened ${t} from the menu`,
    trouble: "Make calls go wrong", call: "Call", what: "What happens", code: "Error code", status: "HTTP status", times: "Times", forever: "All calls, until stopped", delay: "Delay (ms)", order: "Start",
    late: "Only late", close_before: "Closed before acting", close_after: "Acts, then closed without an answer", silence: "Neither acts nor answers (outage)", callOff: "Stop", callOffAll: "Stop all", noOrders: "All is well at the moment",
    rest: n => n === null ? "all calls" : `${n} left`, plus_ms: n => `${n} ms late`, rules: "Account and limits", kind: "Kind of account", service: "Service", subscription: "Unverified", overseas: "Overseas",
    kindHint: "An unverified subscription account may not send to customers (48001), an overseas one may send no menus (40200).", quota: "Calls allowed", a_day: "a day", a_minute: "a minute", today: "today", save: "Save", saved: "Saved",
    quotaHint: "Empty: no limit. Above the day's limit comes 45009, above the minute's 45011.", addresses: "Addresses that may ask for a token", addressesHint: "Separated by commas; empty: all. Others get 40164.",
    push: w => `push ${w}`, check: "check of the callback address", ordered: "as ordered", all: "Show the last 500", few: "Show the newest only", noReply: "no answer", closed: "closed", did: c => c ? ` (would have been ${c})` : " (done)", badReply: "not a valid answer",
    scanned: t => `You scanned the code “${t}”`, unavailable: () => "该公众号暂时无法提供服务，请稍后再试\nThis account cannot serve you at the moment, please try again later", modeKept: "The check failed: the mode stays as it was", notFollowing: "not following",
    types: { image: "Picture", voice: "Recording", video: "Video", music: "Music", page: "Link", mini_program: "Mini program", coupon: "Coupon", location: "Location" },
    gone: "Expired", tooLarge: n => `This file is too large: at most ${n} MB`, agent: n => `Agent ${n}`, byAi: "内容由第三方AI生成 (generated by AI)",
    placeLabel: "Place", latitude: "Latitude", longitude: "Longitude", cancel: "Cancel", sendPlace: "Send this place", shanghai: "People's Square, Shanghai",
  },
};
const lang = (navigator.languages || [navigator.language]).find(l => /^(zh|en)/i.test(l)) || "en";
const zh = /^zh/i.test(lang);
const t = words[zh ? "zh" : "en"];
