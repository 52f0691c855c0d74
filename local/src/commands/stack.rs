//! A stack in AWS as its functions know it: flags, or their variables.

use clap::Args;
use magpie::config::{Settings, Wrong};

/// Where a stack keeps what it keeps, and who may look there.
#[derive(Debug, Default, Args)]
pub(crate) struct Stack {
    /// The stack's table of messages
    #[arg(long, env = "MAGPIE_MESSAGES_TABLE", hide_env_values = true)]
    pub(super) messages_table: Option<String>,
    /// The stack's table of control
    #[arg(long, env = "MAGPIE_CONTROL_TABLE", hide_env_values = true)]
    pub(super) control_table: Option<String>,
    /// What the names of the stack's secrets begin with, such as magpie/prod/
    #[arg(long, env = "MAGPIE_SECRETS_PREFIX", hide_env_values = true)]
    pub(super) secrets_prefix: Option<String>,
    /// The stack's region; credentials come from AWS's usual variables
    #[arg(long = "region", env = "AWS_REGION", hide_env_values = true)]
    pub(super) region: Option<String>,
    /// Another address of DynamoDB
    #[arg(long, env = "MAGPIE_DYNAMODB_ENDPOINT", hide_env_values = true)]
    pub(super) dynamodb_endpoint: Option<String>,
    /// Another address of Secrets Manager
    #[arg(long, env = "MAGPIE_SECRETS_ENDPOINT", hide_env_values = true)]
    pub(super) secrets_endpoint: Option<String>,
    /// Another address of Lambda
    #[arg(long, env = "MAGPIE_LAMBDA_ENDPOINT", hide_env_values = true)]
    pub(super) lambda_endpoint: Option<String>,
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide = true)]
    pub(super) aws_access_key: Option<String>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide = true)]
    pub(super) aws_secret_key: Option<String>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true)]
    pub(super) aws_session_token: Option<String>,
}

impl Stack {
    /// Whether a stack is meant: somebody named a part of one.
    pub(super) fn is_meant(&self) -> bool {
        let named = [
            &self.messages_table,
            &self.control_table,
            &self.secrets_prefix,
        ];
        named
            .iter()
            .any(|name| name.as_ref().is_some_and(|name| !name.is_empty()))
    }

    /// The stack, or all that is wrong.
    pub(super) fn settings(&self) -> Result<Settings, Wrong> {
        let given = |name: &str| {
            let flag = match name {
                "MAGPIE_MESSAGES_TABLE" => &self.messages_table,
                "MAGPIE_CONTROL_TABLE" => &self.control_table,
                "MAGPIE_SECRETS_PREFIX" => &self.secrets_prefix,
                "MAGPIE_DYNAMODB_ENDPOINT" => &self.dynamodb_endpoint,
                "MAGPIE_SECRETS_ENDPOINT" => &self.secrets_endpoint,
                "MAGPIE_LAMBDA_ENDPOINT" => &self.lambda_endpoint,
                "AWS_REGION" => &self.region,
                "AWS_ACCESS_KEY_ID" => &self.aws_access_key,
                "AWS_SECRET_ACCESS_KEY" => &self.aws_secret_key,
                "AWS_SESSION_TOKEN" => &self.aws_session_token,
                _ => return None,
            };
            flag.clone()
        };
        let settings = Settings::read(&given);
        if self.messages_table.is_some() && self.messages_table == self.control_table {
            let twice = "MAGPIE_CONTROL_TABLE is the same as MAGPIE_MESSAGES_TABLE: \
                         these are two tables"
                .to_owned();
            let mut wrong = settings.err().unwrap_or(Wrong(Vec::new()));
            wrong.0.push(twice);
            return Err(wrong);
        }
        settings
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
        let none = Stack::default();
        assert!(!none.is_meant());
        let Wrong(wrong) = none.settings().unwrap_err();
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
        let stack = Stack {
            messages_table: text("one"),
            control_table: text("one"),
            secrets_prefix: text("magpie/prod/"),
            region: text("cn-north-1"),
            aws_access_key: text("AKIA"),
            aws_secret_key: text("secret"),
            secrets_endpoint: text("nowhere"),
            ..Stack::default()
        };
        assert!(stack.is_meant());
        let Wrong(wrong) = stack.settings().unwrap_err();
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(!wrong.concat().contains("secret\""), "{wrong:?}");
        let stack = Stack {
            control_table: text("other"),
            secrets_endpoint: None,
            ..stack
        };
        assert_eq!(stack.settings().unwrap().control, "other");
    }
}
