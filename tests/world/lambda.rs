//! The bridge as it is on AWS: the functions behind their gateway. What AWS
//! does by itself, the world has done: the stream is handed over when the
//! world turns, the sweeper is called when time has passed.

#![allow(dead_code, reason = "one target looks behind the functions")]

use serde_json::json;

use crate::cloud::Cloud;
use crate::harness::gateway::Gateway;
use crate::harness::markers::Markers;
use crate::harness::rows;
use crate::world::Bridge;

/// A deployed bridge and the address that its callers know.
pub(crate) struct Lambda {
    cloud: Cloud,
    gateway: Gateway,
    admin_key: String,
}

impl Lambda {
    /// The functions of this cloud behind their gateway.
    pub(crate) async fn over(cloud: Cloud) -> Lambda {
        let admin_key = cloud.markers.secret("admin key", 40);
        cloud.put_secret("admin", &admin_key);
        Lambda::around(cloud, admin_key).await
    }

    /// The functions of a cloud that has this admin key.
    pub(crate) async fn around(cloud: Cloud, admin_key: String) -> Lambda {
        let gateway = cloud.gateway().await;
        Lambda {
            cloud,
            gateway,
            admin_key,
        }
    }

    /// What it stands on.
    pub(crate) fn cloud(&self) -> &Cloud {
        &self.cloud
    }
}

impl Bridge for Lambda {
    async fn start() -> Lambda {
        Lambda::over(Cloud::start().await).await
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
        rows::make_due(self.cloud.tables(), &self.cloud.messages);
        let tick = json!({ "source": "magpie.sweep" });
        self.cloud.invoke("sweep", tick).await.unwrap();
        self.turn().await;
    }

    async fn end(self) -> Vec<String> {
        self.turn().await;
        let (tables, messages) = (self.cloud.tables().clone(), self.cloud.messages.clone());
        self.cloud.close();
        rows::unfinished(&tables, &messages)
    }
}
