//! What people are shown of a conversation: who talks, what is parked, what
//! WeChat still lets us send.

use super::{Bridge, Broken, Rung, lane_out};
use crate::journal::ConversationKey;
use crate::store::Look;
use crate::window::{Window, Windows};

/// A look at a conversation that goes back far enough to know its windows.
#[derive(Clone, Debug)]
pub(crate) struct Glance {
    /// The conversation, its parked lanes and its newest inbound entries.
    pub(crate) look: Look,
    /// The window that the next answer would use.
    pub(crate) window: Option<Window>,
}

impl Bridge {
    /// Looks at a conversation for a person: nothing is changed.
    pub(crate) async fn glance(&self, at: &ConversationKey) -> Result<Glance, Broken> {
        let now = self.now();
        let look = self
            .store
            .look_for_windows(at, |look| lane_out::shows_windows(look, now))
            .await?;
        // A window that is shut has nothing left to count.
        let open = Windows::derive(&lane_out::openings(&look), &[], now);
        let window = if open.shown().is_none() {
            None
        } else {
            let sent = lane_out::read(self, at, &look, &Rung::new()).await?;
            lane_out::windows(&look, &sent, now).shown().cloned()
        };
        Ok(Glance { look, window })
    }
}
