//! Settings: flags, or variables of the same names. Every problem is collected
//! and named; nothing is guessed.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use magpie::config::{Aws, Wrong};
use magpie::console::KEY_MIN;
use magpie::http::Allowed;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::caller::Front;

/// The flags with which Magpie runs; the folder is every command's.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// Where Magpie listens [default: 127.0.0.1:8080]
    #[arg(long, env = "MAGPIE_LISTEN", hide_env_values = true)]
    listen: Option<String>,
    /// Where the simulated WeChat listens, in the demo [default: 127.0.0.1:8081]
    #[arg(long, env = "MAGPIE_SIM_LISTEN", hide_env_values = true)]
    sim_listen: Option<String>,
    /// Where Prometheus finds metrics [default: nowhere]
    #[arg(long, env = "MAGPIE_METRICS_LISTEN", hide_env_values = true)]
    metrics_listen: Option<String>,
    /// The folder of everything that is kept [default: .magpie]
    #[arg(long, global = true, env = "MAGPIE_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    /// The key of the console and the API [default: made in the data folder]
    #[arg(long, env = "MAGPIE_ADMIN_KEY", hide_env_values = true)]
    admin_key: Option<String>,
    /// The key for which other servers of yours are given access tokens [default: none]
    #[arg(long, env = "MAGPIE_TOKEN_KEY", hide_env_values = true)]
    token_key: Option<String>,
    /// Where the outside finds Magpie [default: where it listens]
    #[arg(long, env = "MAGPIE_PUBLIC_URL", hide_env_values = true)]
    public_url: Option<String>,
    /// 1 runs a simulated WeChat and a channel for it, 0 does not [default: 1]
    #[arg(long, env = "MAGPIE_DEMO", hide_env_values = true)]
    demo: Option<String>,
    /// 1 where a proxy stands in front that says who calls, 0 where none does [default: 0]
    #[arg(long, env = "MAGPIE_BEHIND_PROXY", hide_env_values = true)]
    behind_proxy: Option<String>,
    /// Who looks into files before agents do: an address that is sent each [default: nobody]
    #[arg(long, env = "MAGPIE_MEDIA_SCANNER", hide_env_values = true)]
    media_scanner: Option<String>,
    /// Origins beside public ones that may be called, separated by commas
    #[arg(long, env = "MAGPIE_ALLOW_ENDPOINTS", hide_env_values = true)]
    allow_endpoints: Option<String>,
    /// Another engine that speaks DynamoDB, instead of the one in the process
    #[arg(long, env = "MAGPIE_DYNAMODB_ENDPOINT", hide_env_values = true)]
    dynamodb_endpoint: Option<String>,
    /// Secrets Manager, instead of the file in the data folder
    #[arg(long, env = "MAGPIE_SECRETS_ENDPOINT", hide_env_values = true)]
    secrets_endpoint: Option<String>,
    /// What is logged, as tracing's filters are written; of other crates only warnings
    #[arg(long, env = "RUST_LOG", hide_env_values = true)]
    log: Option<String>,
    /// Starts though the data was moved to AWS: only if the stack is given up
    #[arg(long)]
    despite_export: bool,
    #[arg(long, env = "AWS_REGION", hide = true)]
    aws_region: Option<String>,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    aws_access_key: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true)]
    aws_secret_key: Option<String>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true)]
    aws_session_token: Option<String>,
}

/// What the server needs to know.
pub(crate) struct Settings {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// Where the simulated `WeChat` listens, if there is one.
    pub(crate) demo: Option<SocketAddr>,
    /// Where Prometheus finds metrics, if that is wanted.
    pub(crate) metrics: Option<SocketAddr>,
    /// The data folder.
    pub(crate) data: PathBuf,
    /// Whether a folder is taken that was moved to AWS.
    pub(crate) despite_export: bool,
    /// The admin key, if one was given.
    pub(crate) admin_key: Option<String>,
    /// The key for which servers are given access tokens, if there is one.
    pub(crate) token_key: Option<String>,
    /// Where the outside finds it, if that was given.
    pub(crate) public_url: Option<Url>,
    /// By what callers are known.
    pub(crate) front: Front,
    /// Who looks into files before agents do, if anybody does.
    pub(crate) scanner: Option<Url>,
    /// Addresses beside public ones.
    pub(crate) allowed: Allowed,
    /// The engines over the network, where they were given, and credentials
    /// for them; an engine that asks for none takes anything.
    pub(crate) aws: Aws,
    /// What is logged.
    pub(crate) log: EnvFilter,
}

impl Flags {
    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        let given = self.data.clone();
        let given = given.filter(|path| !path.as_os_str().is_empty());
        given.unwrap_or_else(|| PathBuf::from(".magpie"))
    }

    /// The same without a simulated `WeChat`, for who runs none.
    pub(crate) fn without_demo(self) -> Self {
        Self {
            demo: Some("0".to_owned()),
            ..self
        }
    }

    /// Whether messages or secrets lie elsewhere than in the data folder.
    pub(crate) fn elsewhere(&self) -> bool {
        let endpoints = [&self.dynamodb_endpoint, &self.secrets_endpoint];
        endpoints
            .iter()
            .any(|given| given.as_ref().is_some_and(|text| !text.is_empty()))
    }
}

impl Settings {
    /// Takes the flags, or says all that is wrong with them.
    pub(crate) fn read(flags: Flags) -> Result<Self, Wrong> {
        let mut wrong = Vec::new();
        let data = flags.data();
        let listen = address(
            "MAGPIE_LISTEN",
            flags.listen,
            ([127, 0, 0, 1], 8080),
            &mut wrong,
        );
        let simulator = address(
            "MAGPIE_SIM_LISTEN",
            flags.sim_listen,
            ([127, 0, 0, 1], 8081),
            &mut wrong,
        );
        let demo = switch("MAGPIE_DEMO", flags.demo, true, &mut wrong).then_some(simulator);
        let behind = switch("MAGPIE_BEHIND_PROXY", flags.behind_proxy, false, &mut wrong);
        if demo == Some(listen) && listen.port() != 0 {
            wrong.push(
                "MAGPIE_SIM_LISTEN is the same as MAGPIE_LISTEN: give it a port of its own"
                    .to_owned(),
            );
        }
        let metrics = given(flags.metrics_listen);
        let metrics = metrics.map(|text| {
            let otherwise = ([127, 0, 0, 1], 9464);
            address("MAGPIE_METRICS_LISTEN", Some(text), otherwise, &mut wrong)
        });
        let taken = [Some(listen), demo];
        if metrics.is_some_and(|metrics| metrics.port() != 0 && taken.contains(&Some(metrics))) {
            wrong.push(
                "MAGPIE_METRICS_LISTEN is another listener's: give it a port of its own".to_owned(),
            );
        }
        let admin_key = given(flags.admin_key);
        if admin_key.as_ref().is_some_and(|key| key.len() < KEY_MIN) {
            wrong.push(format!(
                "MAGPIE_ADMIN_KEY is too short: take at least {KEY_MIN} characters, \
                 or leave it out and one is made"
            ));
        }
        let token_key = given(flags.token_key);
        if token_key.as_ref().is_some_and(|key| key.len() < KEY_MIN) {
            wrong.push(format!(
                "MAGPIE_TOKEN_KEY is too short: take at least {KEY_MIN} characters, \
                 or leave it out and nobody is given tokens"
            ));
        } else if token_key.is_some() && token_key == admin_key {
            wrong.push("MAGPIE_TOKEN_KEY is the admin key: take another one".to_owned());
        }
        let allowed = given(flags.allow_endpoints).unwrap_or_default();
        let allowed = Allowed::parse(&allowed).unwrap_or_else(|number| {
            wrong.push(format!(
                "MAGPIE_ALLOW_ENDPOINTS: entry {number} is no origin such as http://10.0.0.5:9000"
            ));
            Allowed::default()
        });
        let log = given(flags.log).unwrap_or_else(|| "info,aws=warn,hyper=warn".to_owned());
        let log = EnvFilter::try_new(log).unwrap_or_else(|_| {
            wrong.push("RUST_LOG is no filter such as info,magpie=debug".to_owned());
            EnvFilter::default()
        });
        let settings = Self {
            listen,
            demo,
            metrics,
            data,
            despite_export: flags.despite_export,
            admin_key,
            token_key,
            public_url: origin("MAGPIE_PUBLIC_URL", flags.public_url, &mut wrong),
            front: if behind { Front::Proxy } else { Front::Nobody },
            scanner: scanner(flags.media_scanner, &mut wrong),
            allowed,
            aws: Aws {
                region: given(flags.aws_region).unwrap_or_else(|| "us-east-1".to_owned()),
                access_key: given(flags.aws_access_key).unwrap_or_else(|| "local".to_owned()),
                secret_key: given(flags.aws_secret_key).unwrap_or_else(|| "local".to_owned()),
                session_token: given(flags.aws_session_token),
                dynamodb_endpoint: origin(
                    "MAGPIE_DYNAMODB_ENDPOINT",
                    flags.dynamodb_endpoint,
                    &mut wrong,
                )
                .map(Into::into),
                secrets_endpoint: origin(
                    "MAGPIE_SECRETS_ENDPOINT",
                    flags.secrets_endpoint,
                    &mut wrong,
                )
                .map(Into::into),
                lambda_endpoint: None,
            },
            log,
        };
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(Wrong(wrong))
        }
    }
}

/// A variable that is set to nothing is not set.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn address(
    name: &str,
    text: Option<String>,
    otherwise: ([u8; 4], u16),
    wrong: &mut Vec<String>,
) -> SocketAddr {
    let otherwise = SocketAddr::from(otherwise);
    let Some(text) = given(text) else {
        return otherwise;
    };
    text.parse().unwrap_or_else(|_| {
        wrong.push(format!(
            "{name} is no address and port such as {otherwise} or [::1]:{}",
            otherwise.port()
        ));
        otherwise
    })
}

fn scanner(text: Option<String>, wrong: &mut Vec<String>) -> Option<Url> {
    let text = given(text)?;
    let url = Url::parse(&text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        wrong.push(
            "MAGPIE_MEDIA_SCANNER is no address such as https://scanner.example.com/scan"
                .to_owned(),
        );
    }
    url
}

fn origin(name: &str, text: Option<String>, wrong: &mut Vec<String>) -> Option<Url> {
    let text = given(text)?;
    let url = Url::parse(&text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    });
    if url.is_none() {
        wrong.push(format!(
            "{name} is no address such as https://magpie.example.com, without a path"
        ));
    }
    url
}

fn switch(name: &str, text: Option<String>, otherwise: bool, wrong: &mut Vec<String>) -> bool {
    match given(text).as_deref() {
        None => otherwise,
        Some("1" | "true") => true,
        Some("0" | "false") => false,
        Some(_) => {
            wrong.push(format!("{name} is neither 0 nor 1"));
            otherwise
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut Flags)) -> Vec<String> {
        let mut flags = Flags::default();
        change(&mut flags);
        match Settings::read(flags) {
            Ok(_) => Vec::new(),
            Err(Wrong(wrong)) => wrong,
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "reads as the flag that it sets")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn without_a_word_it_is_a_demo_on_loopback() {
        let settings = Settings::read(Flags::default()).unwrap();
        assert_eq!(settings.listen, ([127, 0, 0, 1], 8080).into());
        assert_eq!(settings.demo, Some(([127, 0, 0, 1], 8081).into()));
        assert_eq!(settings.data, PathBuf::from(".magpie"));
        assert_eq!((settings.admin_key, settings.metrics), (None, None));
        assert_eq!(settings.public_url, None);
        assert_eq!(settings.front, Front::Nobody, "no header is believed");
        let empty = |flags: &mut Flags| {
            flags.listen = text("");
            flags.demo = text("");
            flags.admin_key = text("");
            flags.public_url = text("");
            flags.data = Some(PathBuf::new());
        };
        assert_eq!(problems(empty), [""; 0]);
    }

    #[test]
    fn a_proxy_is_believed_where_the_operator_says_that_it_is_there() {
        for (given, expected) in [
            ("", Ok(Front::Nobody)),
            ("0", Ok(Front::Nobody)),
            ("1", Ok(Front::Proxy)),
            ("nginx", Err("MAGPIE_BEHIND_PROXY is neither 0 nor 1")),
        ] {
            let flags = Flags {
                behind_proxy: text(given),
                ..Flags::default()
            };
            let read = Settings::read(flags).map(|settings| settings.front);
            assert_eq!(
                read.map_err(|Wrong(wrong)| wrong.join(" ")),
                expected.map_err(str::to_owned)
            );
        }
    }

    #[test]
    fn every_problem_names_its_setting() {
        type Change = fn(&mut Flags, Option<String>);
        let table: [(&str, Change, &[&str], &[&str]); 11] = [
            (
                "MAGPIE_LISTEN",
                |flags, text| flags.listen = text,
                &["127.0.0.1:0", "[::1]:8080", "0.0.0.0:80"],
                &["8080", "localhost:8080", "127.0.0.1", "http://127.0.0.1:1"],
            ),
            (
                "MAGPIE_SIM_LISTEN",
                |flags, text| flags.sim_listen = text,
                &["127.0.0.1:0", "127.0.0.2:8080"],
                &["x", "127.0.0.1:65536", "127.0.0.1:8080"],
            ),
            (
                "MAGPIE_METRICS_LISTEN",
                |flags, text| flags.metrics_listen = text,
                &["127.0.0.1:0", "127.0.0.1:9464", ""],
                &["9464", "127.0.0.1:8080", "127.0.0.1:8081"],
            ),
            (
                "MAGPIE_ADMIN_KEY",
                |flags, text| flags.admin_key = text,
                &["0123456789abcdef"],
                &["0123456789abcde"],
            ),
            (
                "MAGPIE_TOKEN_KEY",
                |flags, text| flags.token_key = text,
                &["0123456789abcdef"],
                &["0123456789abcde"],
            ),
            (
                "MAGPIE_PUBLIC_URL",
                |flags, text| flags.public_url = text,
                &["https://a.example", "http://127.0.0.1:8080/"],
                &[
                    "a.example",
                    "ftp://a.example",
                    "https://a.example/path",
                    "https://u@a.b",
                ],
            ),
            (
                "MAGPIE_DEMO",
                |flags, text| flags.demo = text,
                &["0", "1", "true", "false"],
                &["no", "2"],
            ),
            (
                "MAGPIE_ALLOW_ENDPOINTS",
                |flags, text| flags.allow_endpoints = text,
                &["http://127.0.0.1,https://desk.lan:1"],
                &["10.0.0.1"],
            ),
            (
                "MAGPIE_DYNAMODB_ENDPOINT",
                |flags, text| flags.dynamodb_endpoint = text,
                &["http://127.0.0.1:8000"],
                &["127.0.0.1:8000"],
            ),
            (
                "MAGPIE_SECRETS_ENDPOINT",
                |flags, text| flags.secrets_endpoint = text,
                &["http://127.0.0.1:5000"],
                &["localhost:5000"],
            ),
            (
                "RUST_LOG",
                |flags, text| flags.log = text,
                &["debug", "info,aws=off"],
                &["magpie=loudly"],
            ),
        ];
        for (name, change, right, wrong) in table {
            for value in right {
                assert_eq!(
                    problems(|flags| change(flags, text(value))),
                    [""; 0],
                    "{value}"
                );
            }
            for value in wrong {
                let problems = problems(|flags| change(flags, text(value)));
                assert_eq!(problems.len(), 1, "{name} {value}: {problems:?}");
                assert!(problems.concat().starts_with(name), "{problems:?}");
                // A key that is too short may be the beginning of the right one.
                assert!(!name.ends_with("_KEY") || !problems.concat().contains(value));
            }
        }
        let all = problems(|flags| {
            for (_, change, _, wrong) in table {
                change(flags, wrong.first().map(|value| (*value).to_owned()));
            }
        });
        assert_eq!(all.len(), table.len(), "{all:?}");
    }
}
