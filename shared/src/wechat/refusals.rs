//! What WeChat's codes mean for who runs an account: one table of words.
//!
//! Codes: <https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html>

/// What a code of a call about the account means and what to do, in Chinese and in English.
#[must_use]
pub fn words(code: i64) -> (&'static str, &'static str) {
    match code {
        -1 => (
            "微信系统繁忙：请稍后重试",
            "WeChat is busy: try again in a moment",
        ),
        40001 | 40014 | 41001 | 42001 => (
            "微信不接受刚取得的接口凭证：渠道检查会说明原因",
            "WeChat does not take the token that it has just given: the channel's check says why",
        ),
        40013 => ("AppID 无效", "the AppID is not valid"),
        40003 | 49003 => (
            "该客户不属于此公众号",
            "the customer is not one of this account's",
        ),
        40007 => (
            "media_id 或文章 id 无效，或不属于此公众号",
            "a media_id or the id of an article is not valid, or not of this account",
        ),
        40033 | 47001 => ("微信无法读取该请求", "WeChat cannot read the call"),
        40200 => (
            "此类型的公众号不能使用该接口",
            "an account of this type may not call this",
        ),
        40201..=40203 => of_checks(code),
        40052 | 40053 => ("微信不接受该场景值", "WeChat does not take the scene"),
        40164 => (
            "本机地址不在公众号的 IP 白名单中",
            "this address is not on the account's IP allow-list",
        ),
        45009 => (
            "今日的接口调用次数已用完",
            "today's calls of this kind are used up",
        ),
        43004 => (
            "该客户未关注公众号",
            "the customer does not follow the account",
        ),
        45011 => (
            "调用过于频繁：请一分钟后重试",
            "too many calls: try again in a minute",
        ),
        48001 => (
            "公众号没有此接口的权限（未认证的订阅号没有）",
            "the account may not call this: one that is not verified may not",
        ),
        48004 => (
            "该接口已被微信封禁：请登录公众平台查看",
            "WeChat has barred this call: look at the account's console",
        ),
        48005 => (
            "该内容正被菜单或自动回复使用，微信不允许删除",
            "a menu or an automatic reply uses it: WeChat does not delete it",
        ),
        48006 => (
            "本月的清零次数（10 次）已用完",
            "the ten resets of this month are used up",
        ),
        50004 | 50007 => (
            "公众号受到限制或已被冻结",
            "the account is restricted or frozen",
        ),
        61450..=61457 | 65400..=65418 => of_service(code),
        63178 => (
            "迁移前的账号不对：请改用原始 ID（gh_…）或 AppID",
            "the account that people come from is not right: name it by its original id (gh_…), or by its AppID",
        ),
        76001 | 76002 => ("没有这个 rid", "there is no such rid"),
        76003 => ("这个 rid 不属于此公众号", "the rid is not of this account"),
        76004 => ("rid 已超过 7 天", "the rid is older than seven days"),
        76021 => ("没有这个接口路径", "there is no such path of the API"),
        76022 => (
            "公众号没有此接口的权限",
            "the account may not call this path",
        ),
        89501 | 89503 | 89506 | 89507 => (
            "管理员尚未允许本机地址",
            "the account's administrator has not allowed this address",
        ),
        40032 | 45056..=45059 | 45157..=45159 => of_tags(code),
        code => of_menus(code),
    }
}

/// The same of those that only a check of the callback has.
fn of_checks(code: i64) -> (&'static str, &'static str) {
    match code {
        40201 => (
            "公众平台尚未填写服务器地址（URL）",
            "the account has no callback URL yet",
        ),
        40202 => (
            "检查的动作无效，应为 dns、ping 或 all",
            "what is to be checked is dns, ping or all",
        ),
        _ => (
            "检查的运营商无效",
            "there is no such operator of a network to check from",
        ),
    }
}

/// The same of those that only WeChat's own customer service has.
fn of_service(code: i64) -> (&'static str, &'static str) {
    match code {
        61450 => (
            "微信客服系统繁忙：请稍后重试",
            "WeChat's customer service is busy: try again in a moment",
        ),
        61453 | 65406 => (
            "该客服账号已存在",
            "there is such a service account already",
        ),
        61456 | 65405 => (
            "客服账号数量已达上限",
            "there are as many service accounts as there may be",
        ),
        65400 => (
            "公众号尚未启用新版客服功能",
            "the account has WeChat's customer service not switched on",
        ),
        65402 => (
            "该客服账号尚未绑定微信号",
            "the service account is bound to nobody's WeChat yet",
        ),
        61457 => (
            "客服头像无效",
            "WeChat does not take the picture of the service account",
        ),
        65407..=65412 => (
            "该微信号或客服账号不能再邀请绑定",
            "this person or service account cannot be invited",
        ),
        65413..=65415 => (
            "客服会话不存在，或由其他客服接待，或客服不在线",
            "there is no such session of WeChat's customer service, another has it, or nobody is online",
        ),
        65416 | 65417 => (
            "客服查询的参数或时间段无效",
            "WeChat does not take the parameters or the time of the query",
        ),
        _ => (
            "客服账号或昵称无效",
            "the service account or its name is not valid",
        ),
    }
}

/// The same of those that only tags have.
fn of_tags(code: i64) -> (&'static str, &'static str) {
    match code {
        40032 => (
            "一次打标签的客户数量无效",
            "WeChat does not take the number of customers that are tagged at once",
        ),
        45056 => (
            "标签已达 100 个：请先删除不再使用的",
            "the account has 100 tags, which is the most: delete one first",
        ),
        45057 => (
            "超过 10 万人有此标签，不能直接删除：请先为他们取消标签",
            "more than 100,000 people have the tag: it cannot be deleted before it is taken off them",
        ),
        45058 => (
            "标签 0、1、2 是微信自己的，不能修改",
            "the tags 0, 1 and 2 are WeChat's own and cannot be changed",
        ),
        45059 => (
            "一位客户最多 20 个标签：请先取消一个",
            "a customer has 20 tags at the most: take one off first",
        ),
        45157 => (
            "标签名无效，或已有同名标签",
            "the tag's name is not valid, or another tag has it",
        ),
        45158 => (
            "标签名超过 30 个字节（约 10 个汉字）",
            "the tag's name has more than 30 bytes, which are ten Chinese characters",
        ),
        _ => (
            "没有这个标签，它可能已被删除",
            "there is no such tag: it may have been deleted",
        ),
    }
}

/// The same of those that only menus have.
fn of_menus(code: i64) -> (&'static str, &'static str) {
    match code {
        40015..=40017 | 40022..=40024 => (
            "微信不接受菜单的按钮数量、层级或类型",
            "WeChat does not take the number, the levels or a type of the buttons",
        ),
        40018 | 40025 => ("按钮名称过长或为空", "a button's name is too long or empty"),
        40019 | 40026 => (
            "按钮的 key 过长或为空",
            "a button's key is too long or empty",
        ),
        40020 | 40027 => (
            "按钮的网址过长或为空",
            "a button's address is too long or empty",
        ),
        40054 | 40055 => (
            "按钮网址的域名无效",
            "the domain of a button's address is not valid",
        ),
        46003 => ("还没有菜单", "there is no menu"),
        65301 => ("没有这个个性化菜单", "there is no such conditional menu"),
        65303 => (
            "没有默认菜单：请先创建",
            "there is no menu for everybody yet: make that first",
        ),
        65304 | 65307 | 65308 => (
            "个性化菜单的条件或按钮不完整",
            "the rule or a button of the conditional menu is not complete",
        ),
        65305 => (
            "个性化菜单的数量已达上限",
            "there are as many conditional menus as there may be",
        ),
        65306 | 65309 => (
            "公众号不能使用个性化菜单，或开关已关闭",
            "the account may have no conditional menus, or they are switched off",
        ),
        65310..=65315 => (
            "个性化菜单的匹配条件无效",
            "the rule of the conditional menu is not valid",
        ),
        65316 => (
            "菜单的网址最多指向 3 个域名",
            "the addresses of a menu lead to 3 domains at most",
        ),
        65317 => ("菜单的网址无效", "an address of the menu is not valid"),
        _ => (
            "微信拒绝了该请求：错误码见微信文档",
            "WeChat refused the call: its documents tell of the code",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn codes_of_the_reference_have_words_of_their_own() {
        let other = words(99999);
        for code in [-1, 40001, 45009, 45011, 46003, 48001, 48006, 76021, 76022]
            .into_iter()
            .chain(40015..=40020)
            .chain(40022..=40027)
            .chain([40054, 40055])
            .chain([40003, 40032, 40200, 43004, 48005, 49003, 63178])
            .chain(40201..=40203)
            .chain(61450..=61457)
            .chain(65400..=65418)
            .chain(76001..=76004)
            .chain(45056..=45059)
            .chain(45157..=45159)
            .chain((65301..=65317).filter(|code| *code != 65302))
        {
            assert_ne!(words(code), other, "{code}");
        }
    }
}
