//! A process under a Runtime API of its own, and what Linux says of it.
//!
//! The Runtime API is threads and plain sockets: what answers slowly would be
//! counted as the function's. A request is answered only when the process has
//! gone to sleep over it, so that nothing of its work is missed.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::harness::runtime_api::{Spec, environment};
use crate::harness::{fresh_uuid, now_ms};
use crate::{Outcome, instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether the process sleeps.
const GLANCE: Duration = Duration::from_micros(200);

/// What the process asked of the Runtime API.
struct Request {
    at: Instant,
    path: String,
    body: Vec<u8>,
    from: TcpStream,
}

/// A running function.
pub(crate) struct Child {
    process: Process,
    requests: Receiver<Request>,
    printed: Arc<Mutex<usize>>,
    begun: Instant,
    spec: Spec,
    next: Option<TcpStream>,
}

/// What an event took.
pub(crate) struct Invoked {
    /// From the event on its way to the answer.
    pub(crate) took: Duration,
    pub(crate) answer: Vec<u8>,
}

impl Child {
    pub(crate) fn start(spec: Spec) -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (asked, requests) = channel();
        std::thread::spawn(move || accept(&listener, &asked));
        let mut command = Command::new(&spec.program);
        command
            .env_clear()
            .envs(environment(&spec, &address))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let begun = instant();
        let mut process = command.spawn()?;
        let printed = Arc::<Mutex<usize>>::default();
        if let Some(mut stdout) = process.stdout.take() {
            let printed = Arc::clone(&printed);
            std::thread::spawn(move || {
                let mut chunk = [0; 8192];
                while let Ok(count @ 1..) = stdout.read(&mut chunk) {
                    *printed.lock().unwrap_or_else(PoisonError::into_inner) += count;
                }
            });
        }
        Ok(Self {
            process,
            requests,
            printed,
            begun,
            spec,
            next: None,
        })
    }

    /// How long it took until it asked for its first event.
    pub(crate) fn ready(&mut self) -> Outcome<Duration> {
        let request = self.request("/next")?;
        self.next = Some(request.from);
        Ok(request.at - self.begun)
    }

    /// Gives it an event and waits for the answer, and until it sleeps.
    pub(crate) fn invoke(&mut self, event: &str) -> Outcome<Invoked> {
        let mut next = match self.next.take() {
            Some(next) => next,
            None => self.request("/next")?.from,
        };
        let (id, name) = (fresh_uuid(), &self.spec.name);
        let deadline = u128::from(now_ms()) + self.spec.timeout.as_millis();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
             lambda-runtime-aws-request-id: {id}\r\nlambda-runtime-deadline-ms: {deadline}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:{name}\r\n\
             lambda-runtime-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0\r\n\
             content-length: {}\r\n\r\n",
            event.len()
        );
        let begun = instant();
        next.write_all([head.as_bytes(), event.as_bytes()].concat().as_slice())?;
        let mut answered = self.request(&format!("/{id}/response"))?;
        self.sleeps()?;
        let accepted = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
        answered.from.write_all(accepted)?;
        Ok(Invoked {
            took: answered.at - begun,
            answer: answered.body,
        })
    }

    fn request(&self, path: &str) -> Outcome<Request> {
        let request = self.requests.recv_timeout(PATIENCE);
        let request = request.map_err(|_| format!("nobody asks for {path}: it has ended"))?;
        if !request.path.ends_with(path) {
            let said = String::from_utf8_lossy(&request.body);
            return Err(format!("{} instead of {path}: {said}", request.path).into());
        }
        Ok(request)
    }

    fn read(&self, name: &str) -> Outcome<String> {
        let path = format!("/proc/{}/{name}", self.process.id());
        Ok(std::fs::read_to_string(path)?)
    }

    /// Waits until all of its threads sleep.
    fn sleeps(&self) -> Outcome<()> {
        let mut asleep = 0;
        let begun = instant();
        while asleep < 3 {
            std::thread::sleep(GLANCE);
            let awake = self.threads()?.into_iter().any(|(state, _)| state != 'S');
            asleep = if awake { 0 } else { asleep + 1 };
            if begun.elapsed() > PATIENCE {
                return Err("it never sleeps".into());
            }
        }
        Ok(())
    }

    /// State and time on a processor, in nanoseconds, of each thread.
    fn threads(&self) -> Outcome<Vec<(char, u64)>> {
        let folder = format!("/proc/{}/task", self.process.id());
        let mut all = Vec::new();
        for thread in std::fs::read_dir(folder)? {
            let thread = thread?.path();
            let stat = std::fs::read_to_string(thread.join("stat"))?;
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            let times = std::fs::read_to_string(thread.join("schedstat"))?;
            let ran = times.split_whitespace().next().unwrap_or_default();
            all.push((state.ok_or("a thread without a state")?, ran.parse()?));
        }
        Ok(all)
    }

    /// The time that it has spent on processors, all its threads together, once
    /// it sleeps.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        self.sleeps()?;
        let ran = self.threads()?.into_iter().map(|(_, ran)| ran).sum();
        Ok(Duration::from_nanos(ran))
    }

    /// The most memory that it has had resident, in bytes.
    pub(crate) fn memory(&self) -> Outcome<usize> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kilobytes.ok_or("no VmHWM")?.trim().parse::<usize>()? * 1024)
    }

    /// How many bytes it has printed.
    pub(crate) fn printed(&self) -> usize {
        *self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Hears every connection of the process.
fn accept(listener: &TcpListener, asked: &Sender<Request>) {
    while let Ok((connection, _)) = listener.accept() {
        let asked = asked.clone();
        std::thread::spawn(move || hear(&connection, &asked));
    }
}

/// Hears one connection to its end.
fn hear(connection: &TcpStream, asked: &Sender<Request>) -> Option<()> {
    connection.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    loop {
        let mut head = String::new();
        reader.read_line(&mut head).ok()?;
        let at = instant();
        let path = head.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let from = connection.try_clone().ok()?;
        let request = Request {
            at,
            path,
            body,
            from,
        };
        asked.send(request).ok()?;
    }
}
