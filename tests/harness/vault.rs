//! The secret store behind the programs' backs: our fake, or an engine in another
//! process, which the tests were told of.

use serde_json::json;

use super::random;
use super::remote::Remote;
use super::secrets_manager::SecretsManager;

/// A secret store.
pub(crate) enum Vault {
    Fake(SecretsManager),
    /// It, and what the names of this test's secrets begin with.
    Remote(Remote, String),
}

impl Vault {
    /// The secret store that the tests were told of, or a fake one; and what the
    /// names of this test's secrets begin with there.
    pub(crate) async fn open() -> (Vault, String) {
        if let Some(remote) = Remote::named("MAGPIE_TEST_SECRETS") {
            let prefix = format!("magpie/test-{:016x}/", random());
            return (Vault::Remote(remote, prefix.clone()), prefix);
        }
        let fake = SecretsManager::start().await.unwrap();
        (Vault::Fake(fake), "magpie/test/".to_owned())
    }

    pub(crate) fn endpoint(&self) -> &str {
        match self {
            Self::Fake(fake) => fake.endpoint(),
            Self::Remote(remote, _) => remote.endpoint(),
        }
    }

    /// Makes a secret as an operator does.
    pub(crate) fn put(&self, name: &str, value: &str) {
        match self {
            Self::Fake(fake) => fake.put(name, value),
            Self::Remote(remote, _) => {
                let secret = json!({
                    "Name": name,
                    "SecretString": value,
                    "ClientRequestToken": super::fresh_uuid(),
                });
                remote.call("secretsmanager.CreateSecret", &secret).unwrap();
            }
        }
    }

    /// The names of the secrets that are there.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Fake(fake) => fake.names(),
            Self::Remote(remote, prefix) => {
                let own = json!({
                    "Filters": [{ "Key": "name", "Values": [prefix] }],
                    "MaxResults": 100,
                });
                let listed = remote.call("secretsmanager.ListSecrets", &own).unwrap();
                let all = listed["SecretList"].as_array().unwrap().iter();
                all.map(|secret| secret["Name"].as_str().unwrap().to_owned())
                    .collect()
            }
        }
    }
}
