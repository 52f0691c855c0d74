//! The desk of `examples/webhook`, run as its page tells.

use std::path::Path;

use magpie_local::simulator::Mode;
use serde_json::{Value, json};

use super::{Shop, World};
use crate::harness::process::{Outputs, Process};

/// A running example.
pub(crate) struct Example {
    python: String,
    port: String,
    outputs: Outputs,
    process: Process,
}

impl Example {
    /// Starts it with these secrets, at this port or, with 0, at any.
    async fn start(python: &str, port: &str, calls: &str, secrets: &[&str]) -> Example {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let script = top.join("examples/webhook/receiver.py");
        let outputs = Outputs::default();
        let secrets = secrets.join(" ");
        let environment = [
            ("DESK_PORT", port),
            ("DESK_URL", calls),
            ("DESK_SECRETS", &secrets),
            ("PYTHONUTF8", "1"),
        ];
        let process = Process::start(
            &outputs,
            "receiver",
            Path::new(python),
            [script],
            environment,
        )
        .unwrap();
        let line = process.printed("The desk listens at").await.unwrap();
        let port = line.trim_end_matches('/').rsplit(':').next().unwrap();
        Example {
            python: python.to_owned(),
            port: port.to_owned(),
            outputs,
            process,
        }
    }

    /// Ends it, and starts it at the same address with other secrets.
    pub(crate) async fn restarts(self, shop: &Shop<'_>, secrets: &[&str]) -> Example {
        self.process.kill();
        let calls = shop.world.at(&format!("/desk/{}", shop.id));
        Example::start(&self.python, &self.port, &calls, secrets).await
    }

    /// Waits until it has printed this.
    pub(crate) async fn prints(&self, world: &World, needle: &str) {
        let printed = world.until("the example prints something", async || {
            let all = self.outputs.snapshot();
            let mut all = all
                .iter()
                .map(|(_, output)| String::from_utf8_lossy(output));
            all.any(|output| output.contains(needle)).then_some(())
        });
        printed.await;
    }

    fn settings(&self, secrets: &[&str]) -> Value {
        let url = format!("http://127.0.0.1:{}/", self.port);
        json!({ "kind": "webhook", "url": url, "secrets": secrets })
    }

    /// Has the shop's secrets changed to these.
    pub(crate) async fn is_given(&self, shop: &Shop<'_>, secrets: &[&str]) {
        shop.gets_desk(self.settings(secrets)).await;
    }
}

impl World {
    /// Connects an account to the example.
    pub(crate) async fn shop_with_example(
        &self,
        mode: Mode,
        python: &str,
        secret: &str,
    ) -> (Shop<'_>, Example) {
        let id = World::shop_id();
        let calls = self.at(&format!("/desk/{id}"));
        let example = Example::start(python, "0", &calls, &[secret]).await;
        let shop = self.shop_as(id, mode, example.settings(&[secret])).await;
        (shop, example)
    }
}
