//! Settings from the environment, read once at the start. Every problem is
//! collected and named; nothing is guessed.

use url::Url;

use crate::channel::{RETENTION, RETENTION_DAYS};
use crate::http::Allowed;

/// The deployment's name where none is given.
const STAGE: &str = "default";

/// What the Lambda functions need to know of their surroundings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How AWS is reached.
    pub aws: Aws,
    /// The table of messages (`MAGPIE_MESSAGES_TABLE`).
    pub messages: String,
    /// The control table (`MAGPIE_CONTROL_TABLE`).
    pub control: String,
    /// What secrets' names begin with (`MAGPIE_SECRETS_PREFIX`).
    pub secrets_prefix: String,
    /// Where the outside finds us (`MAGPIE_PUBLIC_URL`).
    pub public_url: Option<Url>,
    /// The function that asks WeChat for tokens, where this one must not
    /// (`MAGPIE_TOKEN_FUNCTION`).
    pub token_function: Option<String>,
    /// A server of the operator's that gives tokens (`MAGPIE_TOKEN_URL`).
    pub token_url: Option<Url>,
    /// How many days a channel keeps messages that ended, unless it says
    /// otherwise (`MAGPIE_RETENTION_DAYS`).
    pub retention_days: u32,
    /// The bucket of customers' files (`MAGPIE_MEDIA_BUCKET`), if they are kept.
    pub media_bucket: Option<Url>,
    /// Who looks into files before agents do (`MAGPIE_MEDIA_SCANNER`), if anybody does.
    pub media_scanner: Option<Url>,
    /// The deployment's name, which metrics carry (`MAGPIE_STAGE`).
    pub stage: String,
    /// Addresses beside public ones (`MAGPIE_ALLOW_ENDPOINTS`).
    pub allowed: Allowed,
}

/// How AWS is reached: region and credentials as Lambda sets them.
#[derive(Clone)]
pub struct Aws {
    /// The region.
    pub region: String,
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: String,
    /// The session token.
    pub session_token: Option<String>,
    /// Another address of DynamoDB (`MAGPIE_DYNAMODB_ENDPOINT`).
    pub dynamodb_endpoint: Option<String>,
    /// Another address of Secrets Manager (`MAGPIE_SECRETS_ENDPOINT`).
    pub secrets_endpoint: Option<String>,
    /// Another address of Lambda (`MAGPIE_LAMBDA_ENDPOINT`).
    pub lambda_endpoint: Option<String>,
}

impl std::fmt::Debug for Aws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aws")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
#[error("the settings are not right: {}", .0.join("; "))]
pub struct Wrong(pub Vec<String>);

/// Reads variables and collects what is wrong with them.
struct Reader<'a> {
    read: &'a dyn Fn(&str) -> Option<String>,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn maybe(&self, name: &str) -> Option<String> {
        (self.read)(name).filter(|text| !text.is_empty())
    }

    fn need(&mut self, name: &str, what: &str) -> String {
        self.maybe(name).unwrap_or_else(|| {
            self.wrong.push(format!("{name} is missing: {what}"));
            String::new()
        })
    }

    fn retention(&mut self, name: &str) -> u32 {
        let Some(text) = self.maybe(name) else {
            return RETENTION_DAYS;
        };
        let days = text.parse().ok().filter(|days| RETENTION.contains(days));
        days.unwrap_or_else(|| {
            let (least, most) = (RETENTION.start(), RETENTION.end());
            self.wrong.push(format!(
                "{name} is no number of days from {least} to {most}"
            ));
            RETENTION_DAYS
        })
    }

    fn url(&mut self, name: &str) -> Option<Url> {
        let text = self.maybe(name)?;
        let url = Url::parse(&text).ok().filter(Url::has_host);
        if url.is_none() {
            self.wrong
                .push(format!("{name} is no address such as https://example.com"));
        }
        url
    }
}

/// The variable of this name, if it is set and is text.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one reader of the environment"
    )]
    std::env::var(name).ok()
}

impl Settings {
    /// Reads the environment of a Lambda function.
    pub fn from_environment() -> Result<Self, Wrong> {
        Self::read(&variable)
    }

    /// Reads settings from wherever `read` looks them up.
    pub fn read(read: &dyn Fn(&str) -> Option<String>) -> Result<Self, Wrong> {
        let mut reader = Reader {
            read,
            wrong: Vec::new(),
        };
        let aws = Aws {
            region: reader.need("AWS_REGION", "the region, such as eu-central-1"),
            access_key: reader.need("AWS_ACCESS_KEY_ID", "in Lambda it is always set"),
            secret_key: reader.need("AWS_SECRET_ACCESS_KEY", "in Lambda it is always set"),
            session_token: reader.maybe("AWS_SESSION_TOKEN"),
            dynamodb_endpoint: reader.url("MAGPIE_DYNAMODB_ENDPOINT").map(Into::into),
            secrets_endpoint: reader.url("MAGPIE_SECRETS_ENDPOINT").map(Into::into),
            lambda_endpoint: reader.url("MAGPIE_LAMBDA_ENDPOINT").map(Into::into),
        };
        let allowed = reader.maybe("MAGPIE_ALLOW_ENDPOINTS").unwrap_or_default();
        let allowed = Allowed::parse(&allowed).unwrap_or_else(|number| {
            reader.wrong.push(format!(
                "MAGPIE_ALLOW_ENDPOINTS: entry {number} is no origin such as http://10.0.0.5:9000"
            ));
            Allowed::default()
        });
        let token_function = reader.maybe("MAGPIE_TOKEN_FUNCTION");
        if token_function.is_some() && reader.maybe("MAGPIE_TOKEN_URL").is_some() {
            let problem =
                "MAGPIE_TOKEN_FUNCTION and MAGPIE_TOKEN_URL are both set: one gives tokens";
            reader.wrong.push(problem.to_owned());
        }
        let settings = Self {
            aws,
            messages: reader.need("MAGPIE_MESSAGES_TABLE", "the name of the table of messages"),
            control: reader.need("MAGPIE_CONTROL_TABLE", "the name of the control table"),
            secrets_prefix: reader.need("MAGPIE_SECRETS_PREFIX", "such as magpie/prod/"),
            public_url: reader.url("MAGPIE_PUBLIC_URL"),
            token_function,
            token_url: reader.url("MAGPIE_TOKEN_URL"),
            retention_days: reader.retention("MAGPIE_RETENTION_DAYS"),
            media_bucket: reader.url("MAGPIE_MEDIA_BUCKET"),
            media_scanner: reader.url("MAGPIE_MEDIA_SCANNER"),
            stage: reader
                .maybe("MAGPIE_STAGE")
                .unwrap_or_else(|| STAGE.to_owned()),
            allowed,
        };
        if reader.wrong.is_empty() {
            Ok(settings)
        } else {
            Err(Wrong(reader.wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;

    #[test]
    fn every_problem_is_named_at_once() {
        let read = |name: &str| match name {
            "AWS_REGION" => Some("cn-north-1".to_owned()),
            "MAGPIE_PUBLIC_URL" => Some("example".to_owned()),
            "MAGPIE_ALLOW_ENDPOINTS" => Some("10.0.0.1".to_owned()),
            "MAGPIE_RETENTION_DAYS" => Some("2".to_owned()),
            "MAGPIE_TOKEN_FUNCTION" => Some("token-refresh".to_owned()),
            "MAGPIE_TOKEN_URL" => Some("https://tokens.example.com/wechat".to_owned()),
            _ => None,
        };
        let wrong = Settings::read(&read).map_or_else(|wrong| wrong.to_string(), |_| String::new());
        for name in [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "MAGPIE_MESSAGES_TABLE",
            "MAGPIE_CONTROL_TABLE",
            "MAGPIE_SECRETS_PREFIX",
            "MAGPIE_PUBLIC_URL",
            "MAGPIE_ALLOW_ENDPOINTS",
            "MAGPIE_TOKEN_URL",
            "MAGPIE_RETENTION_DAYS",
        ] {
            assert!(wrong.contains(name), "{name} in {wrong}");
        }
        assert!(!wrong.contains("AWS_REGION"));
    }
}
