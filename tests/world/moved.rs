//! A bridge that begins on one machine and goes on in a stack. Its callers find
//! it at the same address.

#![allow(dead_code, reason = "one target looks at stacks alone")]

use tokio::sync::OnceCell;

use crate::cloud::Cloud;
use crate::harness::REGION;
use crate::harness::markers::Markers;
use crate::harness::process::Outputs;
use crate::lambda::Lambda;
use crate::machine::Machine;
use crate::world::Bridge;

/// Where it is now, and where it came from.
pub(crate) struct Moved {
    pub(crate) machine: Machine,
    stack: OnceCell<(Lambda, Outputs)>,
}

impl Bridge for Moved {
    async fn start() -> Moved {
        Moved {
            machine: Machine::start().await,
            stack: OnceCell::new(),
        }
    }

    fn origin(&self) -> &str {
        self.machine.origin()
    }

    fn admin_key(&self) -> &str {
        self.machine.admin_key()
    }

    fn markers(&self) -> &Markers {
        self.machine.markers()
    }

    async fn turn(&self) {
        if let Some((stack, _)) = self.stack.get() {
            stack.turn().await;
        }
    }

    async fn later(&self) {
        match self.stack.get() {
            Some((stack, _)) => stack.later().await,
            None => self.machine.later().await,
        }
    }

    async fn end(self) -> Vec<String> {
        let (stack, outputs) = self.stack.into_inner().unwrap();
        let unfinished = stack.end().await;
        self.machine.markers().assert_unseen(&outputs);
        std::fs::remove_dir_all(self.machine.data()).unwrap();
        unfinished
    }
}

impl Moved {
    /// The machine ends in order. Its admin key lies in its folder, as if it had
    /// been made there.
    pub(crate) async fn stops(&self) {
        self.machine.stops().await;
        let key = self.machine.data().join("admin-key");
        std::fs::write(key, self.admin_key()).unwrap();
    }

    /// Carries out `magpie export` into a stack. Says its exit code and all that
    /// it said.
    pub(crate) async fn exports(&self, cloud: &Cloud, flags: &[&str]) -> (i32, String) {
        let mut arguments = vec!["export"];
        arguments.extend(flags);
        let settings = settings(cloud);
        let data = self.machine.data();
        self.machine.command(&data, &arguments, &settings).await
    }

    /// From now on its callers are led to the stack.
    pub(crate) async fn lives_in(&self, cloud: Cloud) {
        let key = self.admin_key().to_owned();
        cloud.markers.watch("admin key", &key);
        cloud.forgets();
        let outputs = cloud.outputs.clone();
        let stack = Lambda::around(cloud, key).await;
        let address = stack.origin().strip_prefix("http://").unwrap();
        self.machine.leads_to(address.parse().unwrap());
        assert!(self.stack.set((stack, outputs)).is_ok(), "it moves once");
    }
}

/// The settings of an export into a stack.
pub(crate) fn settings(cloud: &Cloud) -> Vec<(&'static str, &str)> {
    let lambda = [
        ("AWS_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let own = cloud.places.iter();
    own.map(|(name, value)| (*name, value.as_str()))
        .chain(lambda)
        .collect()
}
