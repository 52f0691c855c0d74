//! The codes that WeChat's API is known for, with the words that come with them.
//!
//! Invariant: every code for which Magpie has a row of its own is here, so that
//! each of them can be ordered.
//! <https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html>

use super::answer::{
    ACCESS_TOKEN, ACCOUNT_TYPE, APP_ID, APP_ID_MISSING, ARTICLE_ID, ARTICLES, BUSY, CARD_ID,
    CHARSET, COMMAND, COUNT, CREDENTIAL, DAILY_LIMIT, DATA_FORMAT, EMPTY, EMPTY_MEDIA, EMPTY_NEWS,
    FILE_TYPE, Fault, GRANT_TYPE, INTERACTION, KF_ACCOUNT, MEDIA_ID, MEDIA_LIMIT, MEDIA_MISSING,
    MEDIA_SIZE, MEDIA_TYPE, MESSAGE_TYPE, MINUTE_LIMIT, NEEDS_GET, NEEDS_POST, NOT_FOLLOWING,
    OPEN_ID, SECRET, SECRET_MISSING, TOKEN_EXPIRED, TOKEN_MISSING, TOO_LONG, TYPING, UNAUTHORIZED,
    WINDOW,
};
use super::openapi::{ANOTHERS_RID, NO_PATH, NO_RID, OLD_RID};

use super::notices::{ARGUMENT, NO_SUBSCRIPTION, TEMPLATE, TEMPLATE_SIZE};

/// The code whose words name the caller's address.
const ADDRESS: i64 = 40164;

/// Every code that can be ordered, in ascending order.
pub(crate) static KNOWN: [Fault; 107] = [
    BUSY,
    CREDENTIAL,
    GRANT_TYPE,
    OPEN_ID,
    MEDIA_TYPE,
    FILE_TYPE,
    MEDIA_SIZE,
    MEDIA_ID,
    MESSAGE_TYPE,
    Fault::new(40009, "invalid image size"),
    Fault::new(40010, "invalid voice size"),
    Fault::new(40011, "invalid video size"),
    Fault::new(40012, "invalid thumb size"),
    APP_ID,
    ACCESS_TOKEN,
    CHARSET,
    TEMPLATE_SIZE,
    TEMPLATE,
    CARD_ID,
    SECRET,
    Fault::new(ADDRESS, "invalid ip x.x.x.x, not in whitelist"),
    ACCOUNT_TYPE,
    Fault::new(40201, "callback url is not set"),
    Fault::new(40202, "invalid action"),
    Fault::new(40203, "invalid check_operator"),
    Fault::new(40243, "appsecret is frozen"),
    TOKEN_MISSING,
    APP_ID_MISSING,
    SECRET_MISSING,
    MEDIA_MISSING,
    TOKEN_EXPIRED,
    NEEDS_GET,
    NEEDS_POST,
    NOT_FOLLOWING,
    Fault::new(43019, "require remove blacklist"),
    NO_SUBSCRIPTION,
    Fault::new(43116, "template is restricted"),
    EMPTY_MEDIA,
    EMPTY_NEWS,
    EMPTY,
    MEDIA_LIMIT,
    TOO_LONG,
    Fault::new(45003, "title size out of limit"),
    Fault::new(45004, "description size out of limit"),
    Fault::new(45005, "url size out of limit"),
    Fault::new(45006, "picurl size out of limit"),
    Fault::new(45007, "playtime out of limit"),
    ARTICLES,
    DAILY_LIMIT,
    MINUTE_LIMIT,
    WINDOW,
    COUNT,
    COMMAND,
    INTERACTION,
    TYPING,
    Fault::new(45098, "menu list too long"),
    DATA_FORMAT,
    ARGUMENT,
    UNAUTHORIZED,
    Fault::new(48002, "user block"),
    Fault::new(48004, "api forbidden"),
    Fault::new(48005, "delete forbidden"),
    Fault::new(48006, "clear forbidden"),
    Fault::new(50002, "user limited"),
    Fault::new(50004, "token api forbidden"),
    Fault::new(50005, "user is unsubscribed"),
    Fault::new(50007, "account is frozen"),
    ARTICLE_ID,
    Fault::new(61450, "system error"),
    Fault::new(61451, "invalid parameter"),
    Fault::new(61452, "invalid kf_account"),
    Fault::new(61453, "kf_account exists"),
    Fault::new(61454, "kf_account is too long"),
    Fault::new(61455, "illegal character in kf_account"),
    Fault::new(61456, "kf_account count exceeds the limit"),
    Fault::new(61457, "invalid head image"),
    Fault::new(63178, "invalid from_appid"),
    Fault::new(65400, "kf is not enabled"),
    KF_ACCOUNT,
    Fault::new(65402, "kf account is not bound"),
    Fault::new(65403, "illegal kf nickname"),
    Fault::new(65404, "illegal kf account"),
    Fault::new(65405, "kf account limit reached"),
    Fault::new(65406, "kf account exists"),
    Fault::new(65407, "invited already: is a kf of this account"),
    Fault::new(65408, "invited already"),
    Fault::new(65409, "invalid wechat id"),
    Fault::new(
        65410,
        "the invited user has as many kf accounts as one may have",
    ),
    Fault::new(65411, "an invitation to this kf account waits"),
    Fault::new(65412, "kf account is bound already"),
    Fault::new(65413, "no such session"),
    Fault::new(65414, "the customer is served by another kf"),
    Fault::new(65415, "kf is offline"),
    Fault::new(65416, "invalid query parameter"),
    Fault::new(65417, "query time range out of limit"),
    Fault::new(65418, "kf error"),
    Fault::new(70000, "user is under minor protection"),
    NO_RID,
    Fault::new(76002, "rid is error"),
    ANOTHERS_RID,
    OLD_RID,
    NO_PATH,
    Fault::new(76022, "could not use this cgi_path, no permission"),
    Fault::new(89501, "this ip waits for the confirmation of the admin"),
    Fault::new(89503, "this call needs the confirmation of the admin"),
    Fault::new(
        89506,
        "this ip was refused by the admin twice, not usable for 24 hours",
    ),
    Fault::new(
        89507,
        "this ip was refused by the admin once, not usable for 1 hour",
    ),
];

/// The error of this code, as a caller from this address gets it.
pub(crate) fn fault(code: i64, caller: &str) -> Option<Fault> {
    let known = KNOWN.iter().find(|fault| fault.code == code)?;
    Some(if code == ADDRESS {
        Fault::address(caller)
    } else {
        known.clone()
    })
}

#[cfg(test)]
mod tests {
    use magpie::reason::Reason;
    use magpie::wechat::codes::{Meaning, meaning};

    use super::*;

    #[test]
    fn every_code_with_a_row_of_its_own_can_be_ordered() {
        for code in -10..200_000 {
            let own = match meaning(code) {
                Meaning::Taken => false,
                Meaning::Failed(failure) => failure.reason != Reason::Refused,
                Meaning::Busy
                | Meaning::Token
                | Meaning::WindowFull
                | Meaning::NoMedia
                | Meaning::NotThisKind => true,
            };
            let known = fault(code, "203.0.113.7");
            assert!(!own || known.is_some(), "{code} cannot be ordered");
            assert!(known.is_none_or(|fault| !fault.words().is_empty()));
        }
    }

    #[test]
    fn codes_stand_once_and_in_order() {
        assert!(KNOWN.is_sorted_by(|one, next| one.code < next.code));
        assert!(fault(0, "").is_none() && fault(12_345, "").is_none());
    }

    #[test]
    fn a_wrong_address_is_named() {
        let fault = fault(40164, "198.51.100.7").unwrap();
        assert_eq!(fault.words(), "invalid ip 198.51.100.7, not in whitelist");
    }
}
