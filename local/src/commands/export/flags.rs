//! Where an export goes: flags, or the variables of the Lambda functions.

use clap::Args;
use magpie::config::{Settings, Wrong};

/// The stack, as its functions know it.
#[derive(Debug, Default, Args)]
pub(crate) struct Flags {
    /// The stack's table of messages
    #[arg(long, env = "MAGPIE_MESSAGES_TABLE", hide_env_values = true)]
    messages_table: Option<String>,
    /// The stack's table of control
    #[arg(long, env = "MAGPIE_CONTROL_TABLE", hide_env_values = true)]
    control_table: Option<String>,
    /// What the names of the stack's secrets begin with, such as magpie/prod/
    #[arg(long, env = "MAGPIE_SECRETS_PREFIX", hide_env_values = true)]
    secrets_prefix: Option<String>,
    /// The stack's region; credentials come from AWS's usual variables
    #[arg(long = "region", env = "AWS_REGION", hide_env_values = true)]
    region: Option<String>,
    /// Exports once more, though that was done before
    #[arg(long)]
    again: bool,
    /// Puts this folder's pepper in the place of the stack's, if its tables are empty
    #[arg(long)]
    replace_pepper: bool,
    /// Another address of DynamoDB
    #[arg(long, env = "MAGPIE_DYNAMODB_ENDPOINT", hide_env_values = true)]
    dynamodb_endpoint: Option<String>,
    /// Another address of Secrets Manager
    #[arg(long, env = "MAGPIE_SECRETS_ENDPOINT", hide_env_values = true)]
    secrets_endpoint: Option<String>,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    aws_access_key: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true)]
    aws_secret_key: Option<String>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true)]
    aws_session_token: Option<String>,
}

/// What is said of an export beside where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// It is done though it was done before.
    pub(crate) again: bool,
    /// A pepper that nobody uses is replaced.
    pub(crate) replace_pepper: bool,
}

impl Flags {
    /// The stack and what is wished, or all that is wrong.
    pub(crate) fn settings(&self) -> Result<(Settings, Wishes), Wrong> {
        let given = |name: &str| {
            let flag = match name {
                "MAGPIE_MESSAGES_TABLE" => &self.messages_table,
                "MAGPIE_CONTROL_TABLE" => &self.control_table,
                "MAGPIE_SECRETS_PREFIX" => &self.secrets_prefix,
                "MAGPIE_DYNAMODB_ENDPOINT" => &self.dynamodb_endpoint,
                "MAGPIE_SECRETS_ENDPOINT" => &self.secrets_endpoint,
                "AWS_REGION" => &self.region,
                "AWS_ACCESS_KEY_ID" => &self.aws_access_key,
                "AWS_SECRET_ACCESS_KEY" => &self.aws_secret_key,
                "AWS_SESSION_TOKEN" => &self.aws_session_token,
                _ => return None,
            };
            flag.clone()
        };
        let mut settings = Settings::read(&given);
        if self.messages_table.is_some() && self.messages_table == self.control_table {
            let twice = "MAGPIE_CONTROL_TABLE is the same as MAGPIE_MESSAGES_TABLE: \
                         these are two tables"
                .to_owned();
            let mut wrong = settings.err().unwrap_or(Wrong(Vec::new()));
            wrong.0.push(twice);
            settings = Err(wrong);
        }
        let wishes = Wishes {
            again: self.again,
            replace_pepper: self.replace_pepper,
        };
        settings.map(|settings| (settings, wishes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "reads as the flag that it sets")]
    fn text(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_problem_names_its_setting() {
        let Wrong(wrong) = Flags::default().settings().unwrap_err();
        for name in [
            "MAGPIE_MESSAGES_TABLE",
            "MAGPIE_CONTROL_TABLE",
            "MAGPIE_SECRETS_PREFIX",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            let named = wrong.iter().filter(|text| text.starts_with(name)).count();
            assert_eq!(named, 1, "{name} in {wrong:?}");
        }
        let flags = Flags {
            messages_table: text("one"),
            control_table: text("one"),
            secrets_prefix: text("magpie/prod/"),
            region: text("cn-north-1"),
            aws_access_key: text("AKIA"),
            aws_secret_key: text("secret"),
            secrets_endpoint: text("nowhere"),
            ..Flags::default()
        };
        let Wrong(wrong) = flags.settings().unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(!wrong.concat().contains("secret\""), "{wrong:?}");
        let flags = Flags {
            control_table: text("other"),
            secrets_endpoint: None,
            again: true,
            ..flags
        };
        let (settings, wishes) = flags.settings().unwrap();
        assert_eq!((settings.control.as_str(), wishes.again), ("other", true));
        assert!(!wishes.replace_pepper);
    }
}
