//! The codes, a row each: what an agent sees at once, whether it is tried again, and what
//! became of the token.

use magpie_local::simulator::ApiPath;

/// Every code of the table "Error → action" of WeChat's API, as the project's reference of the
/// protocol has it in its section 5.3, which goes back to
/// <https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html>.
pub(crate) const REFERENCE: [(i64, i64); 44] = [
    (0, 0),
    (-1, -1),
    (40001, 40001),
    (40014, 40014),
    (42001, 42001),
    (41001, 41001),
    (40003, 40003),
    (40007, 40007),
    (40004, 40006),
    (40009, 40011),
    (40008, 40008),
    (40033, 40033),
    (40164, 40164),
    (40200, 40200),
    (43004, 43004),
    (43019, 43019),
    (43101, 43101),
    (44004, 44004),
    (45001, 45001),
    (45002, 45002),
    (45003, 45007),
    (45008, 45008),
    (45009, 45009),
    (45011, 45011),
    (45015, 45015),
    (45047, 45047),
    (45072, 45072),
    (45080, 45080),
    (45081, 45081),
    (45098, 45098),
    (47001, 47001),
    (48001, 48001),
    (48002, 48002),
    (48004, 48004),
    (48005, 48006),
    (50002, 50002),
    (50005, 50005),
    (70000, 70000),
    (61450, 61457),
    (65400, 65418),
    (76001, 76004),
    (76021, 76022),
    (63178, 63178),
    (40201, 40203),
];

/// What the agent sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Picture,
    Question,
}

/// What the agent sees at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sees {
    Delivered,
    Failed(&'static str),
    /// It waits for something that passes; a desk is told nothing yet.
    Waits(&'static str),
    /// It waits for the window.
    Held,
}

/// What comes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Nobody tries it again.
    Over,
    /// It is tried again within minutes.
    Soon,
    /// Not before the next minute of the clock.
    NextMinute,
    /// Not before midnight in Beijing.
    NextDay,
    /// When the customer writes.
    Written,
}

/// A code and what comes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) code: i64,
    /// The calls that are answered with it, and how many of them; `None`: all.
    pub(crate) call: ApiPath,
    pub(crate) times: Option<u32>,
    pub(crate) kind: Kind,
    pub(crate) sees: Sees,
    /// How often the path was called at once.
    pub(crate) tries: usize,
    /// How often a token was asked for, that of the beginning included.
    pub(crate) tokens: usize,
    pub(crate) then: Then,
}

impl Row {
    /// WeChat answers every send with this code, and that is the end of it.
    const fn never(code: i64, reason: &'static str) -> Self {
        Self {
            code,
            call: ApiPath::Send,
            times: None,
            kind: Kind::Text,
            sees: Sees::Failed(reason),
            tries: 1,
            tokens: 1,
            then: Then::Over,
        }
    }

    const fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    const fn on(self, call: ApiPath) -> Self {
        Self { call, ..self }
    }

    /// WeChat says so once only.
    const fn once(self) -> Self {
        let sees = Sees::Delivered;
        Self {
            times: Some(1),
            sees,
            ..self
        }
    }

    const fn tries(self, tries: usize) -> Self {
        Self { tries, ..self }
    }

    const fn tokens(self, tokens: usize) -> Self {
        Self { tokens, ..self }
    }

    /// It is not over.
    const fn waits(self, reason: &'static str, then: Then) -> Self {
        let sees = Sees::Waits(reason);
        Self { sees, then, ..self }
    }
}

/// Whether a row tells of this code.
pub(crate) fn tells_of(code: i64) -> bool {
    rows().iter().any(|row| row.code == code)
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::from(SENDS);
    rows.extend(TOKENS.iter().flat_map(|code| {
        let row = Row::never(*code, "no_token");
        [
            // The stable token is asked for first, then a new one is forced: the old was good.
            row.once().tries(2).tokens(3),
            row.tries(2).tokens(3).waits("no_token", Then::Soon),
        ]
    }));
    rows.extend(FILES.iter().flat_map(|code| {
        let row = Row::never(*code, "file_not_taken").of(Kind::Picture);
        [row, row.on(ApiPath::MediaUpload)]
    }));
    rows.extend(LONG.iter().map(|code| Row::never(*code, "over_limit")));
    let service = (61451..=61457).chain(65400..=65418);
    rows.extend(service.map(|code| Row::never(code, "kf_account")));
    rows
}

/// The token is not good.
const TOKENS: [i64; 4] = [40001, 40014, 42001, 41001];
/// The file is not.
const FILES: [i64; 8] = [40004, 40005, 40006, 40009, 40010, 40011, 45001, 45007];
/// Something is too long.
const LONG: [i64; 5] = [45002, 45003, 45004, 45005, 45006];

const SENDS: [Row; 45] = [
    Row::never(0, "").once(),
    Row::never(-1, "wechat_busy").once().tries(2),
    Row::never(-1, "wechat_busy").tries(3),
    Row::never(61450, "wechat_busy").once().tries(2),
    Row::never(61450, "wechat_busy").tries(3),
    Row::never(-1, "")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload)
        .waits("wechat_unreachable", Then::Soon),
    Row::never(40164, "")
        .on(ApiPath::StableToken)
        .waits("no_token", Then::Soon),
    Row::never(40003, "wrong_account"),
    Row::never(40007, "file_unavailable")
        .of(Kind::Picture)
        .once()
        .tries(2),
    Row::never(40007, "file_unavailable")
        .of(Kind::Picture)
        .tries(2),
    Row::never(40008, "unsupported_kind"),
    Row::never(40033, "defect"),
    Row::never(40200, "unauthorized"),
    Row::never(40200, "unauthorized")
        .of(Kind::Question)
        .once()
        .tries(2),
    Row::never(40200, "unauthorized")
        .of(Kind::Question)
        .tries(2),
    Row::never(40200, "unauthorized")
        .of(Kind::Picture)
        .once()
        .tries(2),
    Row::never(40200, "unsupported_kind")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload),
    Row::never(43004, "unfollowed"),
    Row::never(43019, "blocked"),
    Row::never(43101, "not_subscribed"),
    Row::never(44004, "empty"),
    Row::never(45008, "defect"),
    Row::never(45009, "").waits("quota_used_up", Then::NextDay),
    Row::never(45009, "")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload)
        .waits("quota_used_up", Then::NextDay),
    Row::never(45011, "").waits("quota_used_up", Then::NextMinute),
    Row::never(45011, "")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload)
        .waits("quota_used_up", Then::NextMinute),
    Row::never(45015, "window_closed"),
    Row {
        sees: Sees::Held,
        then: Then::Written,
        ..Row::never(45047, "window_full")
    },
    Row::never(45072, "defect"),
    Row::never(45098, "over_limit").of(Kind::Question),
    Row::never(47001, "defect"),
    Row::never(48001, "unauthorized"),
    Row::never(48001, "unauthorized")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload),
    Row::never(48002, "blocked"),
    Row::never(48004, "unauthorized"),
    Row::never(48005, "unauthorized"),
    Row::never(48006, "unauthorized"),
    Row::never(50002, "restricted"),
    Row::never(50005, "unfollowed"),
    Row::never(70000, "restricted"),
    Row::never(40001, "no_token")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload)
        .once()
        .tries(2)
        .tokens(3),
    Row::never(42001, "no_token")
        .of(Kind::Picture)
        .on(ApiPath::MediaUpload)
        .tries(2)
        .tokens(3)
        .waits("no_token", Then::Soon),
    Row::never(50004, "unauthorized"),
    Row::never(50007, "unauthorized"),
    Row::never(53600, "content_refused"),
];

/// What the words for a reason tell an agent to do, in Chinese and in English.
pub(crate) const ADVICE: [(&str, &str, &str); 22] = [
    ("wechat_busy", "稍后重发", "send it again in a while"),
    ("wechat_unreachable", "自动重试", "tried again by itself"),
    ("no_token", "自动重试", "tried again by itself"),
    ("wrong_account", "联系管理员", "tell your administrator"),
    ("file_unavailable", "重新选择文件", "choose it anew"),
    ("file_not_taken", "更换文件", "choose another one"),
    ("unsupported_kind", "改用文字", "use text instead"),
    ("defect", "联系管理员", "tell your administrator"),
    ("unauthorized", "联系管理员", "tell your administrator"),
    ("unfollowed", "结束会话", "end the session"),
    ("blocked", "结束会话", "end the session"),
    ("not_subscribed", "再次订阅", "subscribe again"),
    ("restricted", "其他联系方式", "another way to reach them"),
    ("empty", "输入文字", "write something"),
    ("over_limit", "请缩短", "shorten"),
    ("quota_used_up", "自动重试", "tried again by itself"),
    (
        "window_closed",
        "再次发言",
        "wait until the customer writes",
    ),
    ("window_full", "再次发言", "when the customer writes again"),
    ("content_refused", "修改后重发", "change it"),
    ("kf_account", "管理员", "your administrator"),
    ("in_flight", "请稍候", "wait a moment"),
    ("uncertain", "先向客户确认", "ask the customer"),
];
