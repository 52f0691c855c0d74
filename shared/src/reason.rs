//! Why something was held, refused or given up: one code a reason, and the
//! words for agents in Chinese and English. One table, tested for completeness.

use serde::{Deserialize, Serialize};

/// Declares the reasons: code, Chinese, English.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $zh:literal, $en:literal;)*) => {
        /// Why something was held, refused or given up. The code is part of our
        /// interface: it never changes, new ones may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)*
        }

        impl Reason {
            /// Whether it goes on by itself when the customer does something: *held*.
            #[must_use]
            pub fn holds(self) -> bool {
                matches!(self, Self::WindowFull | Self::CustomerNotified)
            }

            /// Every reason, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The code on the wire, in the journal and in metrics.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What happened and what to do next, in Chinese.
            #[must_use]
            pub fn zh(self) -> &'static str {
                match self { $(Self::$name => $zh),* }
            }

            /// What happened and what to do next, in English.
            #[must_use]
            pub fn en(self) -> &'static str {
                match self { $(Self::$name => $en),* }
            }

            /// The reason with this code.
            #[must_use]
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

reasons! {
    /// All messages of the open window are used up.
    WindowFull = "window_full",
        "本轮消息条数已用完：客户再次发言后会自动发出。",
        "The messages of this window are used up: it goes out by itself when the customer writes again.";
    /// No window is open; a notice asks the customer back.
    CustomerNotified = "customer_notified",
        "48 小时窗口已过，已发送通知：客户再次发言或点击菜单后会自动发出。",
        "The 48-hour window has lapsed and a notice asks the customer back: it goes out by itself when they write or tap.";
    /// No window is open.
    WindowClosed = "window_closed",
        "48 小时窗口已过：请等客户再次发言，或结束会话。",
        "The 48-hour window has lapsed: wait until the customer writes, or end the session.";
    /// The customer does not follow the account.
    Unfollowed = "unfollowed",
        "客户已取消关注：无法送达，请结束会话。",
        "The customer no longer follows the account: it cannot arrive, end the session.";
    /// The customer blocks messages of the account.
    Blocked = "blocked",
        "客户拒收消息或在黑名单中：无法送达，请结束会话。",
        "The customer refuses messages or is on the blacklist: it cannot arrive, end the session.";
    /// The customer has asked for no notification of this template.
    NotSubscribed = "not_subscribed",
        "客户没有可用的订阅，或拒绝了此通知：请等客户再次订阅或发言。",
        "The customer has no subscription left or refuses this notification: wait until they subscribe again or write.";
    /// The template is none of the account's, or WeChat has withdrawn it.
    TemplateRefused = "template_refused",
        "微信不接受此模板，可能已删除或被限制：请换一个模板，或联系管理员。",
        "WeChat does not take this template, it was deleted or is restricted: choose another one, or tell your administrator.";
    /// The fields of a notice are not what its template has.
    NoticeRefused = "notice_refused",
        "通知内容不符合模板字段的要求：请按模板检查每个字段后重发。",
        "The notice does not fit the fields of its template: check each of them and send it again.";
    /// The customer was back before the notice that asks for it went out.
    NoticeNotNeeded = "notice_not_needed",
        "客户已再次发言或无回复在等待，通知未发送：无需处理。",
        "The customer is back or no answer waits any more, so the notice was not sent: nothing has to be done.";
    /// The customer is restricted by WeChat.
    Restricted = "restricted",
        "微信限制了该用户接收消息：请改用其他联系方式。",
        "WeChat restricts this customer: use another way to reach them.";
    /// The open id is not of this account.
    WrongAccount = "wrong_account",
        "该客户不属于此公众号：请联系管理员。",
        "This customer is not one of this account: tell your administrator.";
    /// More than five parts.
    TooLong = "too_long",
        "内容超过 5 条消息的长度：请缩短后重发。",
        "It is longer than five messages: shorten it and send it again.";
    /// Nothing but white space or control characters.
    Empty = "empty",
        "内容为空：请输入文字后重发。",
        "There is nothing to send: write something and send it again.";
    /// A kind that this bridge cannot send.
    UnsupportedKind = "unsupported_kind",
        "暂不支持发送这种消息：请改用文字。",
        "This kind of message cannot be sent: use text instead.";
    /// WeChat refused the content.
    ContentRefused = "content_refused",
        "微信拒绝了该内容：请修改后重发。",
        "WeChat refused the content: change it and send it again.";
    /// WeChat says that something of it is longer than it takes.
    OverLimit = "over_limit",
        "超出微信的长度限制：请缩短文字、标题或选项后重发。",
        "It is longer than WeChat takes: shorten the text, the title or the choices and send it again.";
    /// The account of WeChat's own customer service is none, or may not be used.
    KfAccount = "kf_account",
        "微信不接受该客服账号（kf_account）：请管理员在公众平台检查并启用，或去掉渠道的客服账号后重发。",
        "WeChat does not take the service account (kf_account): your administrator should look at it in WeChat's console, or take it out of the channel's settings; then send it again.";
    /// The answer of WeChat was lost.
    Uncertain = "uncertain",
        "未收到微信的确认，可能已送达：重发前请先向客户确认。",
        "WeChat's answer was lost, it may have arrived: ask the customer before you send it again.";
    /// An earlier part of the same answer was not delivered.
    EarlierPartFailed = "earlier_part_failed",
        "前一部分未送达，本部分未发送：请重发整条内容。",
        "An earlier part did not arrive, so this one was not sent: send the whole answer again.";
    /// WeChat was busy and stayed so.
    WechatBusy = "wechat_busy",
        "微信系统繁忙，多次尝试均未成功：请稍后重发。",
        "WeChat was busy and stayed so: send it again in a while.";
    /// WeChat could not be reached.
    WechatUnreachable = "wechat_unreachable",
        "暂时无法连接微信：稍后会自动重试。",
        "WeChat cannot be reached: it is tried again by itself.";
    /// The daily or minute quota of the account is used up.
    QuotaUsedUp = "quota_used_up",
        "公众号接口调用额度已用完：额度恢复后会自动重试。",
        "The account's quota of API calls is used up: it is tried again by itself when there is some.";
    /// The account may not use this API.
    Unauthorized = "unauthorized",
        "公众号没有发送此类消息的权限：请联系管理员。",
        "The account has no permission to send: tell your administrator.";
    /// No token could be had.
    NoToken = "no_token",
        "无法取得微信接口凭证：请管理员检查 AppSecret 和 IP 白名单；稍后会自动重试。",
        "No access token could be had: your administrator should check the app secret and the IP allow-list; it is tried again by itself.";
    /// WeChat says our request was wrong.
    Defect = "defect",
        "系统错误，微信不接受该请求：请联系管理员。",
        "A defect of ours, WeChat does not take the request: tell your administrator.";
    /// An answer of WeChat that is in no table.
    Refused = "refused",
        "微信拒绝了该消息：请联系管理员。",
        "WeChat refused the message: tell your administrator.";
    /// The desk could not be reached or was busy.
    DeskUnreachable = "desk_unreachable",
        "客服系统暂时不可用：恢复后会自动送达。",
        "The desk cannot be reached: it is delivered by itself when the desk is back.";
    /// The desk refused the message for good.
    DeskRefused = "desk_refused",
        "客服系统拒绝了该消息：请联系管理员。",
        "The desk refused the message: tell your administrator.";
    /// A day of trying.
    GaveUp = "gave_up",
        "24 小时内多次重试未成功：请管理员检查后手动重发。",
        "A day of trying did not help: your administrator can send it again by hand.";
    /// The channel is suspended.
    Suspended = "suspended",
        "渠道已暂停：恢复后会自动继续。",
        "The channel is suspended: it goes on by itself when the channel is resumed.";
    /// The channel was deleted.
    ChannelDeleted = "channel_deleted",
        "渠道已删除：消息不会再送达。",
        "The channel was deleted: it will not arrive.";
    /// The conversation is none of this channel's.
    UnknownConversation = "unknown_conversation",
        "找不到该会话：请刷新后重试。",
        "There is no such conversation: reload and try again.";
    /// The id and the time of an answer are those of another one.
    IdUsed = "id_used",
        "此 id 和时间已用于另一条消息，原消息不受影响：请换新的 id 重发。",
        "This id and time were used for another message, which stays as it is: send it again with a new id.";
    /// WeChat does not give a file out any more.
    MediaGone = "media_gone",
        "微信已不再提供该文件：请让客户重新发送。",
        "WeChat does not give this file out any more: ask the customer to send it again.";
    /// A file is larger than we take.
    MediaTooLarge = "media_too_large",
        "文件过大，未能保存：请让客户发送较小的文件。",
        "The file is too large to be kept: ask the customer for a smaller one.";
    /// A file is not what it should be.
    MediaUnknown = "media_unknown",
        "文件格式无法识别，未能保存：请让客户换一种格式重新发送。",
        "The file is of no format that is kept: ask the customer to send it in another one.";
    /// The scanner found something in a file.
    MediaWithheld = "media_withheld",
        "安全扫描发现该文件有风险，已拦截：请勿索要原文件，并联系管理员。",
        "The scanner found something in this file, it is withheld: do not ask for it, tell your administrator.";
    /// A file could not be had for a quarter of an hour.
    MediaUnreachable = "media_unreachable",
        "多次尝试未能取得该文件：请让客户重新发送。",
        "The file could not be had in several tries: ask the customer to send it again.";
    /// A file that an agent sends cannot be had.
    FileUnavailable = "file_unavailable",
        "无法取得要发送的文件：请重新选择文件后再发。",
        "The file that is to be sent cannot be had: choose it anew and send it again.";
    /// A file that an agent sends is none that WeChat takes.
    FileNotTaken = "file_not_taken",
        "微信不接受该文件，图片限 10 MB 的 JPG、PNG、GIF，语音限 2 MB 且不超过 60 秒的 AMR、MP3，视频限 10 MB 的 MP4：请更换文件，或作为文档发送。",
        "WeChat does not take this file. It takes pictures up to 10 MB as JPEG, PNG or GIF, voice up to 2 MB and 60 seconds as AMR or MP3, films up to 10 MB as MP4: choose another one, or send it as a document.";
    /// A worker holds the entry.
    InFlight = "in_flight",
        "正在发送：请稍候。",
        "It is being sent: wait a moment.";
    /// The run ended before the entry's turn came.
    OutOfTime = "out_of_time",
        "排队中：稍后会自动继续。",
        "It waits for its turn: it goes on by itself.";
    /// The bridge could not do its own part.
    Internal = "internal",
        "系统内部暂时出错：稍后会自动重试。",
        "Something of ours failed for now: it is tried again by itself.";
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn every_reason_says_what_happened_and_what_to_do() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.code()), Some(*reason));
            assert!(reason.zh().contains('：'), "{}", reason.code());
            assert!(
                reason.en().contains(": ") && reason.en().ends_with('.'),
                "{}",
                reason.code()
            );
        }
        assert_eq!(Reason::parse("no such code"), None);
    }
}
