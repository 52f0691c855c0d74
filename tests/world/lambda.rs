//! The bridge as it is on AWS: the functions behind their gateway. What AWS
//! does by itself, the world has done: the stream is handed over when the
//! world turns, the sweeper is called when time has passed.

use serde_json::json;

use crate::cloud::Cloud;
use crate::harness::gateway::Gateway;
use crate::harness::markers::Markers;
use crate::world::Bridge;

/// A deployed bridge and the address that its callers know.
pub(crate) struct Lambda {
    cloud: Cloud,
    gateway: Gateway,
    admin_key: String,
}

impl Bridge for Lambda {
    async fn start() -> Lambda {
        let cloud = Cloud::start().await;
        let admin_key = cloud.markers.secret("admin key", 40);
        cloud.put_secret("admin", &admin_key);
        Lambda::around(cloud, admin_key).await
    }

    fn origin(&self) -> &str {
        self.gateway.origin()
    }

    fn admin_key(&self) -> &str {
        &self.admin_key
    }

    fn markers(&self) -> &Markers {
        &self.cloud.markers
    }

    async fn turn(&self) {
        while self.cloud.pump().await > 0 {}
    }

    async fn later(&self) {
        self.cloud.make_due().await;
        let tick = json!({ "source": "magpie.sweep" });
        self.cloud.invoke("sweep", tick).await.unwrap();
        self.turn().await;
    }

    async fn end(self) -> Vec<String> {
        self.turn().await;
        let unfinished = self.cloud.unfinished().await;
        self.cloud.close();
        unfinished
    }
}

impl Lambda {
    /// Puts a gateway before a deployed bridge that has this admin key.
    pub(crate) async fn around(cloud: Cloud, admin_key: String) -> Lambda {
        let gateway = cloud.gateway().await;
        Lambda {
            cloud,
            gateway,
            admin_key,
        }
    }
}
