//! The tags of an account: asked for anew by who manages them, and at most [`CACHED`] old for
//! who only needs their names.

use std::sync::Arc;

use super::Bridge;
use super::account::Unanswered;
use crate::channel::{CACHED, Channel};
use crate::message::ChannelId;
use crate::wechat::account::Ask;
use crate::wechat::people::{Tag, Tags};

impl Bridge {
    /// The account's tags, as WeChat has them now.
    pub(crate) async fn tags(&self, channel: &Channel) -> Result<Arc<Vec<Tag>>, Unanswered> {
        let Tags { tags } = self.ask_of_account(channel, &Ask::tags()).await?;
        let tags = Arc::new(tags);
        let known = Some(Arc::clone(&tags));
        self.known_tags.put(&channel.id, self.now(), known);
        Ok(tags)
    }

    /// The same, at most [`CACHED`] old.
    pub(crate) async fn known_tags(&self, channel: &Channel) -> Result<Arc<Vec<Tag>>, Unanswered> {
        match self.known_tags.get(&channel.id, self.now(), CACHED) {
            Some(Some(known)) => Ok(known),
            _ => self.tags(channel).await,
        }
    }

    /// Forgets the tags of an account: they were changed.
    pub(crate) fn forget_tags(&self, id: &ChannelId) {
        self.known_tags.forget(id);
    }
}
