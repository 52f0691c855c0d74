//! The callback as WeChat finds it: name, addresses, certificate, and the handshake
//! signed as WeChat signs it. <https://developers.weixin.qq.com/doc/oplatform/developers/dev/push>

use std::net::IpAddr;
use std::time::Duration;

use magpie::bridge::check::{Finding, OK, Words};
use magpie::bridge::verify::Probe;
use magpie::http::{Allowed, Answer, Certificate, Http, Outgoing, Trouble, is_public};
use magpie::message::ChannelId;
use url::{Host, Url};

/// How long WeChat waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// The code of an answer that is none of Magpie's.
pub(super) const NOT_MAGPIE: &str = "not_magpie";
/// The ports that WeChat calls.
const PORTS: [u16; 2] = [80, 443];

/// The place where WeChat is to find the callbacks.
pub(super) struct Callback {
    base: Url,
    /// The operator listed it: it is one for trials.
    listed: bool,
    http: Http,
}

impl Callback {
    /// The place at this address, with what the operator allows beside public ones.
    pub(super) fn at(base: Url, allowed: &Allowed) -> Self {
        let listed = allowed.lists(&base);
        let mut reached = allowed.clone();
        reached.add(&base);
        Self {
            base,
            listed,
            http: Http::network(reached),
        }
    }

    /// Whether WeChat would call the address at all.
    pub(super) fn address(&self) -> Finding {
        let public = match self.base.host() {
            None => false,
            Some(Host::Ipv4(ip)) => is_public(ip.into()),
            Some(Host::Ipv6(ip)) => is_public(ip.into()),
            Some(Host::Domain(name)) => name.contains('.'),
        };
        let port = self.base.port_or_known_default();
        let words = match (public, self.base.scheme()) {
            (false, _) if self.listed => (
                OK,
                "该地址由 MAGPIE_ALLOW_ENDPOINTS 允许，仅供试用：微信只能访问公网地址。",
                "MAGPIE_ALLOW_ENDPOINTS lists this address, as one for trials: WeChat itself \
                 reaches public ones alone.",
            ),
            (false, _) => (
                "not_public",
                "没有公网地址：请把 MAGPIE_PUBLIC_URL 设为微信可以访问的 https 地址。",
                "This is no public address: set MAGPIE_PUBLIC_URL to the https address at which \
                 WeChat finds Magpie.",
            ),
            (true, _) if !port.is_some_and(|port| PORTS.contains(&port)) => (
                "wrong_port",
                "微信只访问 80 和 443 端口：请修改 MAGPIE_PUBLIC_URL。",
                "WeChat calls ports 80 and 443 alone: change MAGPIE_PUBLIC_URL.",
            ),
            (true, "https") => (
                OK,
                "微信可以访问这样的地址。",
                "WeChat calls such an address.",
            ),
            (true, _) => (
                "unencrypted",
                "未加密：顾客的消息会以明文传输。请把 MAGPIE_PUBLIC_URL 改为 https 地址。",
                "It is not encrypted, and what customers write would pass openly: make \
                 MAGPIE_PUBLIC_URL an https address.",
            ),
        };
        Finding::new("address", words)
    }

    /// What its name stands for; `None` if it has none.
    pub(super) async fn name(&self) -> Option<Finding> {
        let Some(Host::Domain(name)) = self.base.host() else {
            return None;
        };
        let port = self.base.port_or_known_default().unwrap_or(0);
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name, port))).await;
        let found: Vec<IpAddr> = match found {
            Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
            _ => Vec::new(),
        };
        Some(Finding::new("name", resolved(&found, self.listed)))
    }

    /// What answers there, to a call that nobody has signed.
    pub(super) async fn door(&self) -> Finding {
        // No channel has such a name, and Magpie says so in its own way.
        let answer = self.http.send(Outgoing::get(self.of("-"), PATIENCE)).await;
        let words = match &answer {
            Err(trouble) => unanswered(trouble),
            Ok(answer) => opened(answer),
        };
        Finding::new("door", words)
    }

    /// Whether a channel's callback takes a handshake as WeChat makes it. One that takes calls
    /// from WeChat's addresses alone refuses ours.
    pub(super) async fn handshake(
        &self,
        id: &ChannelId,
        probe: &Probe,
        only_wechat: bool,
    ) -> Finding {
        let mut url = self.of(id.as_str());
        url.set_query(Some(&probe.query));
        let answer = self.http.send(Outgoing::get(url, PATIENCE)).await;
        let words = match &answer {
            Err(trouble) => unanswered(trouble),
            Ok(answer) if only_wechat && is_refused(answer) => REFUSED_AS_MEANT,
            Ok(answer) => shaken(answer, &probe.echo),
        };
        Finding::new("handshake", words)
    }

    fn of(&self, channel: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/wechat/{channel}"));
        url
    }
}

fn resolved(found: &[IpAddr], listed: bool) -> Words<'static> {
    match found {
        [] => (
            "unknown_name",
            "域名无法解析：请检查 DNS 记录。",
            "The name stands for no address: check its DNS records.",
        ),
        all if all.iter().copied().all(is_public) => (
            OK,
            "域名可以解析。",
            "The name stands for public addresses.",
        ),
        _ if listed => (
            OK,
            "域名指向内网地址，由 MAGPIE_ALLOW_ENDPOINTS 允许，仅供试用。",
            "The name stands for an address inside, as MAGPIE_ALLOW_ENDPOINTS allows for trials.",
        ),
        _ => (
            "private_name",
            "域名指向内网地址，微信无法访问：请检查 DNS 记录（此处的 DNS 可能与公网不同）。",
            "The name stands for an address inside, where WeChat does not come: check its DNS \
             records (here they may be others than outside).",
        ),
    }
}

fn unanswered(trouble: &Trouble) -> Words<'static> {
    match (trouble.certificate(), trouble) {
        (Some(Certificate::Expired), _) => (
            "certificate_expired",
            "证书已过期：请续期。",
            "The certificate has expired: renew it.",
        ),
        (Some(Certificate::Early), _) => (
            "certificate_early",
            "证书尚未生效，或本机时钟偏慢。",
            "The certificate is not valid yet, or this machine's clock is slow.",
        ),
        (Some(Certificate::OtherName), _) => (
            "certificate_of_another",
            "证书属于另一个域名：请更换证书。",
            "The certificate is of another name: install the right one.",
        ),
        (Some(Certificate::UnknownIssuer), _) => (
            "certificate_unknown",
            "证书的签发机构不受信任，或缺少中间证书：请安装完整的证书链。",
            "Nobody known has issued the certificate, or one between is not sent along: \
             install the whole chain.",
        ),
        (Some(Certificate::Other), _) => (
            "certificate",
            "证书不被信任：请更换证书。",
            "The certificate is not believed: install another.",
        ),
        (None, Trouble::Lost(_)) => (
            "silent",
            "五秒内没有有效应答，微信也只等五秒：请检查代理和 Magpie。",
            "There is no valid answer in five seconds, and WeChat waits no longer: check the \
             proxy, and that Magpie runs.",
        ),
        (None, _) => (
            "unreachable",
            "无法连接：请检查防火墙、端口、TLS 设置，以及 Magpie 是否在运行。",
            "No connection is made: check firewall, port, TLS, and that something listens.",
        ),
    }
}

/// What keeps calls from Magpie that stands in front of it.
pub(super) fn in_front(answer: &Answer) -> Option<Words<'static>> {
    Some(match answer.status {
        403 if lacks_filing(answer) => (
            "no_filing",
            "API 网关拒绝了请求：该账号在此区域没有 ICP 备案。请备案，或部署到香港等区域。",
            "API Gateway lets nobody in who is not of the account: it has no ICP filing in this \
             region. File, or deploy outside, such as in Hong Kong.",
        ),
        300..=399 => (
            "redirected",
            "应答是重定向，微信不会跟随：请让 MAGPIE_PUBLIC_URL 直接指向 Magpie。",
            "It redirects, which WeChat does not follow: MAGPIE_PUBLIC_URL must lead to Magpie \
             itself.",
        ),
        421 => (
            "other_name",
            "Magpie 不认识这个域名：请用它启动时的 MAGPIE_PUBLIC_URL，并让代理传递 Host。",
            "Magpie does not know this name: start it with the same MAGPIE_PUBLIC_URL, and let \
             the proxy pass the Host header on.",
        ),
        429 => (
            "throttled",
            "请求过多，暂时被拒绝：请稍后重试。",
            "There were too many calls: try again in a moment.",
        ),
        500.. => (
            "failing",
            "应答为服务器错误：请查看代理和 Magpie 的日志。",
            "It is answered with a server's error: the logs of the proxy and of Magpie say why.",
        ),
        _ => return None,
    })
}

/// What says that Magpie itself answers.
fn opened(answer: &Answer) -> Words<'static> {
    let own = answer.status == 404
        && answer.body == b"Not Found"
        && answer.headers.contains_key("x-content-type-options");
    if own {
        return (OK, "Magpie 有应答。", "Magpie answers there.");
    }
    in_front(answer).unwrap_or(match answer.status {
        401 | 403 => REFUSED_IN_FRONT,
        _ => (
            NOT_MAGPIE,
            "那里应答的不是 Magpie：请检查 MAGPIE_PUBLIC_URL 和代理的路径。",
            "What answers there is not Magpie: check MAGPIE_PUBLIC_URL, and what the proxy does \
             with the path.",
        ),
    })
}

const REFUSED_IN_FRONT: Words<'static> = (
    "refused_in_front",
    "请求在到达 Magpie 之前被拒绝：请检查防火墙、WAF 和代理。",
    "The call is refused before it reaches Magpie: check firewall and proxy.",
);

const REFUSED_AS_MEANT: Words<'static> = (
    OK,
    "此渠道只接受微信的地址，此处的握手因此被拒绝（Token 未能核对）。",
    "The channel takes calls from WeChat's addresses alone, and refuses a handshake from here: \
     whether its token is right cannot be told.",
);

/// Whether Magpie itself refuses.
fn is_refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.body == b"Forbidden"
}

fn shaken(answer: &Answer, echo: &str) -> Words<'static> {
    if let Some(words) = in_front(answer) {
        return words;
    }
    match answer.status {
        200 if answer.body == echo.as_bytes() => (
            OK,
            "握手成功。",
            "A handshake signed as WeChat signs is answered.",
        ),
        200 => (
            "not_echoed",
            "应答内容不对：那里应答的不是 Magpie，或代理改动了内容。",
            "The answer is another one than WeChat wants: what answers is not Magpie, or a proxy \
             changes it.",
        ),
        403 if is_refused(answer) => (
            "refused",
            "Magpie 拒绝了签名：那里的 Token 与此处保存的不同，或两边时钟相差十分钟以上。",
            "Magpie refuses the signature: its token is another one than is kept here, or the \
             clocks differ by more than ten minutes.",
        ),
        404 => (
            "unknown_channel",
            "那里没有这个渠道：MAGPIE_PUBLIC_URL 指向另一个 Magpie，或路径被改写。",
            "No such channel is known there: MAGPIE_PUBLIC_URL leads to another Magpie, or a \
             proxy changes the path.",
        ),
        _ => REFUSED_IN_FRONT,
    }
}

/// Whether this is how API Gateway answers in a region of China whose account has no
/// ICP filing: 403 with no message, `{"Message":null}`.
fn lacks_filing(answer: &Answer) -> bool {
    let body: Option<serde_json::Map<_, _>> = serde_json::from_slice(&answer.body).ok();
    body.is_some_and(|body| {
        let message = |(name, value): (&String, &serde_json::Value)| {
            name.eq_ignore_ascii_case("message") && value.is_null()
        };
        answer.status == 403 && body.iter().any(message)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn addresses_that_wechat_does_not_call_are_told() {
        let allowed = Allowed::parse("http://10.0.0.5,http://desk.example.com").unwrap();
        for (base, code) in [
            ("https://magpie.example.com", "ok"),
            ("https://magpie.example.com:8443", "wrong_port"),
            ("http://magpie.example.com:8080", "wrong_port"),
            ("http://magpie.example.com", "unencrypted"),
            ("http://127.0.0.1:8080", "not_public"),
            ("https://magpie", "not_public"),
            ("https://[fd00::1]", "not_public"),
            ("http://10.0.0.5", "ok"),
            ("http://10.0.0.6", "not_public"),
            // What is listed for a desk excuses nothing else.
            ("http://desk.example.com", "unencrypted"),
            ("http://desk.example.com:8080", "wrong_port"),
        ] {
            let callback = Callback::at(Url::parse(base).unwrap(), &allowed);
            assert_eq!(callback.address().code, code, "{base}");
        }
    }

    #[test]
    fn what_names_stand_for_is_told() {
        let ips =
            |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|ip| ip.parse().unwrap()).collect() };
        let check = |all: &[&str], listed, code| assert_eq!(resolved(&ips(all), listed).0, code);
        check(&[], false, "unknown_name");
        check(&["8.8.8.8"], false, "ok");
        check(&["8.8.8.8", "10.0.0.1"], false, "private_name");
        check(&["10.0.0.1"], true, "ok");
    }

    #[test]
    fn only_magpie_is_taken_for_magpie() {
        let mut own = answer(404, "Not Found");
        own.headers
            .insert("x-content-type-options", "nosniff".parse().unwrap());
        assert_eq!(opened(&own).0, "ok");
        for (status, body, code) in [
            (404, "Not Found", "not_magpie"),
            (404, "<html>nginx</html>", "not_magpie"),
            (200, "parked", "not_magpie"),
            (403, "<html>", "refused_in_front"),
            (403, "{\"Message\":null}", "no_filing"),
            (502, "", "failing"),
            (301, "", "redirected"),
        ] {
            assert_eq!(opened(&answer(status, body)).0, code, "{status} {body}");
        }
    }

    #[test]
    fn a_refusal_by_magpie_itself_is_told_from_others() {
        for (status, body, expected) in [
            (403, "Forbidden", true),
            (403, "<html>", false),
            (404, "Forbidden", false),
        ] {
            assert_eq!(is_refused(&answer(status, body)), expected, "{body}");
        }
    }

    #[test]
    fn every_answer_to_a_handshake_says_what_to_do() {
        for (status, body, code) in [
            (200, "echo", "ok"),
            (200, "<html>", "not_echoed"),
            (200, "echo\n", "not_echoed"),
            (403, "Forbidden", "refused"),
            (403, "{\"Message\":null}", "no_filing"),
            (403, "{\"message\":null}", "no_filing"),
            (403, "{\"message\":\"Forbidden\"}", "refused_in_front"),
            (403, "<html>", "refused_in_front"),
            (404, "Not Found", "unknown_channel"),
            (301, "", "redirected"),
            (421, "", "other_name"),
            (429, "", "throttled"),
            (502, "", "failing"),
            (405, "", "refused_in_front"),
        ] {
            assert_eq!(
                shaken(&answer(status, body), "echo").0,
                code,
                "{status} {body}"
            );
        }
    }
}
