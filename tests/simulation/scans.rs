//! The QR code of every channel: each scan that a desk has is counted, once.

use magpie::journal::{Lane, State};
use magpie::message::ChannelId;
use magpie::moment::Moment;
use magpie::qrcode::{Qrcode, Scene};
use magpie::store::Store;

use crate::checks::{Found, Journal};
use crate::story::Ended;

/// What the code stands for.
pub(crate) const SCENE: &str = "counter_3";

/// Gives a channel its code.
pub(crate) async fn hang_up(store: &Store, channel: &ChannelId) {
    let code = Qrcode {
        scene: Scene::parse(SCENE).unwrap(),
        name: "柜台三".to_owned(),
        ticket: "gQ".to_owned(),
        url: "http://weixin.qq.com/q/1".to_owned(),
        expires: None,
        created: Moment::default(),
        scans: 0,
    };
    store.keep_qrcode(channel, &code).await.unwrap();
}

/// As many scans are counted as entries that tell of one were delivered.
pub(crate) async fn check(ended: &Ended, journal: &Journal, store: &Store) -> Found {
    let scene = Scene::parse(SCENE).unwrap();
    for id in store.channel_ids().await.unwrap() {
        if ended.said.deleted == Some(id.as_str()) {
            continue;
        }
        let scanned = journal.lane(Lane::In).filter(|(_, entry)| {
            entry.origin.channel == id
                && entry.state == State::Delivered
                && Scene::scanned(&entry.body).as_ref() == Some(&scene)
        });
        let scanned = scanned.count() as u64;
        let code = store.qrcode(&id, &scene).await.unwrap();
        let counted = code.map(|code| code.scans);
        if counted != Some(scanned) {
            return Err(format!(
                "{scanned} scans of {id} are counted as {counted:?}"
            ));
        }
    }
    Ok(())
}
