//! The paths of WeChat's API that the simulation knows.
//!
//! Invariant: a path that is not here is answered with 404.

use serde::{Deserialize, Serialize};

/// A path of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiPath {
    /// `GET /cgi-bin/token`.
    Token,
    /// `POST /cgi-bin/stable_token`.
    StableToken,
    /// `POST /cgi-bin/message/custom/send`.
    Send,
    /// `POST /cgi-bin/message/custom/typing`.
    Typing,
    /// `POST /cgi-bin/media/upload`.
    MediaUpload,
    /// `GET /cgi-bin/media/get`.
    MediaGet,
    /// `POST /cgi-bin/qrcode/create`.
    QrcodeCreate,
    /// `POST /cgi-bin/menu/create`.
    MenuCreate,
    /// `GET /cgi-bin/menu/get`.
    MenuGet,
    /// `GET /cgi-bin/menu/delete`.
    MenuDelete,
    /// `POST /cgi-bin/menu/addconditional`.
    MenuAddConditional,
    /// `POST /cgi-bin/menu/delconditional`.
    MenuDelConditional,
    /// `POST /cgi-bin/openapi/quota/get`.
    QuotaGet,
    /// `POST /cgi-bin/openapi/rid/get`.
    RidGet,
    /// `POST /cgi-bin/clear_quota`.
    ClearQuota,
    /// `GET /cgi-bin/user/info`.
    UserInfo,
    /// `POST /cgi-bin/user/info/updateremark`.
    UpdateRemark,
    /// `POST /cgi-bin/tags/create`.
    TagsCreate,
    /// `GET /cgi-bin/tags/get`.
    TagsGet,
    /// `POST /cgi-bin/tags/update`.
    TagsUpdate,
    /// `POST /cgi-bin/tags/delete`.
    TagsDelete,
    /// `POST /cgi-bin/tags/members/batchtagging`.
    BatchTagging,
    /// `POST /cgi-bin/tags/members/batchuntagging`.
    BatchUntagging,
    /// `GET /cgi-bin/getcallbackip`.
    CallbackIp,
    /// `POST /cgi-bin/message/template/send`.
    TemplateSend,
    /// `POST /cgi-bin/message/subscribe/bizsend`.
    SubscribeSend,
    /// `GET /cgi-bin/template/get_all_private_template`.
    TemplateList,
    /// `GET /wxaapi/newtmpl/gettemplate`.
    SubscribeList,
}

impl ApiPath {
    /// Every path.
    pub const ALL: [Self; 28] = [
        Self::Token,
        Self::StableToken,
        Self::Send,
        Self::Typing,
        Self::MediaUpload,
        Self::MediaGet,
        Self::QrcodeCreate,
        Self::MenuCreate,
        Self::MenuGet,
        Self::MenuDelete,
        Self::MenuAddConditional,
        Self::MenuDelConditional,
        Self::QuotaGet,
        Self::RidGet,
        Self::ClearQuota,
        Self::UserInfo,
        Self::UpdateRemark,
        Self::TagsCreate,
        Self::TagsGet,
        Self::TagsUpdate,
        Self::TagsDelete,
        Self::BatchTagging,
        Self::BatchUntagging,
        Self::CallbackIp,
        Self::TemplateSend,
        Self::SubscribeSend,
        Self::TemplateList,
        Self::SubscribeList,
    ];

    /// The path as it stands in an address.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "/cgi-bin/token",
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Send => "/cgi-bin/message/custom/send",
            Self::Typing => "/cgi-bin/message/custom/typing",
            Self::MediaUpload => "/cgi-bin/media/upload",
            Self::MediaGet => "/cgi-bin/media/get",
            Self::QrcodeCreate => "/cgi-bin/qrcode/create",
            Self::MenuCreate => "/cgi-bin/menu/create",
            Self::MenuGet => "/cgi-bin/menu/get",
            Self::MenuDelete => "/cgi-bin/menu/delete",
            Self::MenuAddConditional => "/cgi-bin/menu/addconditional",
            Self::MenuDelConditional => "/cgi-bin/menu/delconditional",
            Self::QuotaGet => "/cgi-bin/openapi/quota/get",
            Self::RidGet => "/cgi-bin/openapi/rid/get",
            Self::ClearQuota => "/cgi-bin/clear_quota",
            Self::UserInfo => "/cgi-bin/user/info",
            Self::UpdateRemark => "/cgi-bin/user/info/updateremark",
            Self::TagsCreate => "/cgi-bin/tags/create",
            Self::TagsGet => "/cgi-bin/tags/get",
            Self::TagsUpdate => "/cgi-bin/tags/update",
            Self::TagsDelete => "/cgi-bin/tags/delete",
            Self::BatchTagging => "/cgi-bin/tags/members/batchtagging",
            Self::BatchUntagging => "/cgi-bin/tags/members/batchuntagging",
            Self::CallbackIp => "/cgi-bin/getcallbackip",
            Self::TemplateSend => "/cgi-bin/message/template/send",
            Self::SubscribeSend => "/cgi-bin/message/subscribe/bizsend",
            Self::TemplateList => "/cgi-bin/template/get_all_private_template",
            Self::SubscribeList => "/wxaapi/newtmpl/gettemplate",
        }
    }

    /// The method that it takes.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::Token
            | Self::MediaGet
            | Self::MenuGet
            | Self::MenuDelete
            | Self::UserInfo
            | Self::TagsGet
            | Self::TemplateList
            | Self::SubscribeList
            | Self::CallbackIp => "GET",
            Self::StableToken
            | Self::Send
            | Self::Typing
            | Self::MediaUpload
            | Self::QrcodeCreate
            | Self::MenuCreate
            | Self::MenuAddConditional
            | Self::MenuDelConditional
            | Self::QuotaGet
            | Self::RidGet
            | Self::ClearQuota
            | Self::UpdateRemark
            | Self::TagsCreate
            | Self::TagsUpdate
            | Self::TagsDelete
            | Self::BatchTagging
            | Self::BatchUntagging
            | Self::TemplateSend
            | Self::SubscribeSend => "POST",
        }
    }

    /// Whether every account may call it that has a token.
    pub(crate) const fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::QuotaGet | Self::RidGet | Self::ClearQuota | Self::CallbackIp
        )
    }

    pub(crate) fn parse(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == path)
    }
}
