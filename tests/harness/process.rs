//! A started program: its environment is what it was given and nothing else,
//! all that it prints is kept, and it is gone when its owner is.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tokio::sync::watch;

/// What every process of a test printed, standard output and error together.
/// It outlives the processes, so that the teardown can search it.
#[derive(Clone, Default)]
pub(crate) struct Outputs(Arc<Mutex<Vec<Arc<Output>>>>);

/// What one process printed.
pub(crate) struct Output {
    name: String,
    bytes: Mutex<Vec<u8>>,
}

impl Outputs {
    /// Name and bytes of every process so far, in the order of their starts.
    pub(crate) fn snapshot(&self) -> Vec<(String, Vec<u8>)> {
        let all = self.0.lock().unwrap();
        all.iter()
            .map(|output| (output.name.clone(), output.bytes.lock().unwrap().clone()))
            .collect()
    }

    fn open(&self, name: &str) -> Arc<Output> {
        let output = Arc::new(Output {
            name: name.to_owned(),
            bytes: Mutex::default(),
        });
        self.0.lock().unwrap().push(Arc::clone(&output));
        output
    }
}

/// What is known of the pipes: they are closed when the program has ended.
#[derive(Clone, Copy)]
struct Pipes {
    open: usize,
    read: usize,
}

/// A running program. Dropping it kills it and waits for its end.
pub(crate) struct Process {
    child: Mutex<Child>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    pipes: watch::Receiver<Pipes>,
    output: Arc<Output>,
}

impl Process {
    /// Starts `program` with `environment` alone and no standard input.
    pub(crate) fn start<A, K, V>(
        outputs: &Outputs,
        name: &str,
        program: &Path,
        arguments: A,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> std::io::Result<Process>
    where
        A: IntoIterator<Item: AsRef<OsStr>>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = outputs.open(name);
        let (sender, pipes) = watch::channel(Pipes { open: 2, read: 0 });
        let stdout = child.stdout.take().unwrap();
        let stderr = child.stderr.take().unwrap();
        let readers = vec![
            keep(stdout, Arc::clone(&output), sender.clone()),
            keep(stderr, Arc::clone(&output), sender),
        ];
        Ok(Process {
            child: Mutex::new(child),
            readers: Mutex::new(readers),
            pipes,
            output,
        })
    }

    /// Waits for the first whole line that contains `needle`; `None` if the
    /// program ends without it.
    pub(crate) async fn printed(&self, needle: &str) -> Option<String> {
        let mut pipes = self.pipes.clone();
        loop {
            // The state first, the bytes after: what comes between wakes us again.
            let ended = pipes.borrow_and_update().open == 0;
            let bytes = self.output.bytes.lock().unwrap().clone();
            let text = String::from_utf8_lossy(&bytes);
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(line) = whole.lines().find(|line| line.contains(needle)) {
                return Some(line.to_owned());
            }
            if ended || pipes.changed().await.is_err() {
                return None;
            }
        }
    }

    /// Waits until the program has ended.
    pub(crate) async fn ended(&self) {
        let mut pipes = self.pipes.clone();
        // An error means that both readers are gone, which is the end too.
        drop(pipes.wait_for(|pipes| pipes.open == 0).await);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.pipes.borrow().open == 0
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// The most memory that it has had resident, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kilobytes * 1024
    }

    /// Asks for an orderly end (SIGTERM) and waits for it.
    pub(crate) async fn terminate(&self) -> ExitStatus {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(sent.unwrap().success(), "SIGTERM could not be sent");
        self.ended().await;
        self.child.lock().unwrap().wait().unwrap()
    }

    /// `kill -9`: no handler runs, nothing is flushed. Waits for the end, so
    /// that the output is whole and the port free.
    pub(crate) fn kill(&self) -> ExitStatus {
        let mut child = self.child.lock().unwrap();
        // It may have ended by itself; then there is only its status to collect.
        drop(child.kill());
        let status = child.wait().unwrap();
        for reader in self.readers.lock().unwrap().drain(..) {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Reads `from` to its end on a thread of its own: a full pipe would stop the program.
fn keep(
    mut from: impl Read + Send + 'static,
    to: Arc<Output>,
    pipes: watch::Sender<Pipes>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            let read = chunk.get(..count).unwrap();
            to.bytes.lock().unwrap().extend_from_slice(read);
            pipes.send_modify(|pipes| pipes.read += count);
        }
        pipes.send_modify(|pipes| pipes.open -= 1);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [(&str, &str); 0] = [];

    #[tokio::test]
    async fn output_is_kept_and_the_environment_is_empty() {
        let outputs = Outputs::default();
        let script = [
            "-c",
            "echo \"home=$HOME\"; echo oops >&2; exec cat /dev/zero",
        ];
        let shell = Process::start(&outputs, "shell", Path::new("/bin/sh"), script, NONE).unwrap();
        assert_eq!(shell.printed("home").await.unwrap(), "home=");
        // What goes to standard output meanwhile may stand before it.
        assert!(shell.printed("oops").await.unwrap().ends_with("oops"));
        assert!(!shell.has_ended());
        shell.kill();
        assert!(shell.has_ended());
        let (name, bytes) = outputs.snapshot().remove(0);
        assert_eq!(name, "shell");
        assert!(String::from_utf8_lossy(&bytes).contains("oops"));
    }

    #[tokio::test]
    async fn a_program_that_ends_prints_nothing_more() {
        let outputs = Outputs::default();
        let script = ["-c", "echo half; exit 3"];
        let shell = Process::start(&outputs, "shell", Path::new("/bin/sh"), script, NONE).unwrap();
        assert_eq!(shell.printed("whole").await, None);
        shell.ended().await;
        assert_eq!(shell.kill().code(), Some(3));
    }
}
