//! The end of the process: asked for once it is orderly, twice it is at once.

use tokio::sync::watch;

/// Ends what holds a [`Stop`] of it.
pub(crate) struct Switch(watch::Sender<bool>);

/// Tells a task when to end. Clones share it.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Switch {
    /// A switch and what it ends.
    pub(crate) fn new() -> (Self, Stop) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Stop(receiver))
    }

    /// Asks for the end.
    pub(crate) fn flip(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    /// Waits until the end is asked for. A switch that is gone asks for it too.
    pub(crate) async fn asked(&self) {
        let mut receiver = self.0.clone();
        let _ = receiver.wait_for(|asked| *asked).await.is_ok();
    }
}

/// The signals that ask for the end: SIGINT and SIGTERM.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The signal that asks for the end: Ctrl-C.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
