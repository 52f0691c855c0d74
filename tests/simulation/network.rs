//! The network between our processes and the far sides: requests and answers
//! are lost, late and slow, and whole far sides are down.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use magpie::http::{Answer, Outgoing, Trouble};

use crate::far::{DUMB, desk_of};
use crate::near::World;

/// What the far side answers within, if it answers at all.
const SLOW: Duration = Duration::from_millis(2_700);

/// What is wrong with a whole far side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// It is down.
    Down,
    /// It takes its time for everything.
    Slow,
}

impl World {
    /// Carries the requests of one process to the far sides.
    pub(crate) fn peers(self: &Arc<Self>, process: u64) -> magpie::http::Peers {
        let world = Arc::clone(self);
        Arc::new(
            move |request| -> BoxFuture<'static, Result<Answer, Trouble>> {
                let world = Arc::clone(&world);
                Box::pin(async move { world.carry(process, request).await })
            },
        )
    }

    /// What a request says, for the order: the text of a message.
    fn said(request: &Outgoing) -> Option<(String, String)> {
        let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
        let text = |at: &str| body.pointer(at).and_then(|v| v.as_str()).map(str::to_owned);
        if let Some(to) = text("/touser") {
            return Some((to, text("/text/content")?));
        }
        Some((text("/conversation")?, text("/message/text")?))
    }

    /// The conversation of which a request says that a session opened in it.
    fn opens(&self, request: &Outgoing) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
        let customer = body["conversation"].as_str()?;
        (body["type"] == "session.opened").then_some(())?;
        self.place(&self.open_id(customer)?)
    }

    async fn carry(&self, process: u64, request: Outgoing) -> Result<Answer, Trouble> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let said = Self::said(&request);
        let pk = said.as_ref().map(|(whom, _)| {
            let open_id = self.open_id(whom).unwrap_or_else(|| whom.clone());
            self.place(&open_id).unwrap_or_default()
        });
        if let (Some((_, text)), Some(pk)) = (&said, &pk) {
            self.try_now(text, pk);
        }
        if let Some(pk) = self.opens(&request) {
            self.opens_now(pk);
        }
        tokio::time::sleep(self.draw.span(Duration::from_millis(80))).await;
        let now = self.clock.now().millis() % 100_000_000;
        let text = said.as_ref().map_or("", |(_, text)| text);
        self.note(format!(
            "{now} {process} {host}{} {text}",
            request.url.path()
        ));
        let weather = self.weather.lock().unwrap().get(&host).copied();
        if weather == Some(Weather::Down) {
            return match self.draw.below(3) {
                0 => Err(Trouble::NotSent(None)),
                1 => Ok(status(503)),
                _ => std::future::pending().await,
            };
        }
        let draw = if self.faulty() {
            self.draw.below(1000)
        } else {
            999
        };
        let desk = desk_of(&host).is_some();
        match draw {
            0..15 => return Err(Trouble::NotSent(None)),
            15..30 => return Ok(status(500)),
            30..40 => return std::future::pending().await,
            40..44 => {
                self.dies(process);
                return std::future::pending().await;
            }
            44..50 if desk => return Ok(status(429)),
            44..50 => self.far.wechat.lock().unwrap().answer_next_with(-1),
            50..54 if desk => return Ok(status(400)),
            50..54 => {
                let codes = [45009, 45011, 45047, 40001, 42001, 45015, 45002];
                let code = codes[self.draw.below(codes.len() as u64) as usize];
                self.far.wechat.lock().unwrap().answer_next_with(code);
            }
            // It takes it when nobody waits any more.
            54..60 => {
                self.lost(&host, pk.as_deref());
                let _ = self.wires.late.send(request);
                return std::future::pending().await;
            }
            _ => {}
        }
        // All far sides are slow at times, before they act or after.
        let slow = weather == Some(Weather::Slow) || (80..130).contains(&draw);
        let slow = if slow {
            Duration::from_millis(100) + self.draw.span(SLOW)
        } else {
            Duration::ZERO
        };
        let (before, after) = if self.draw.often(500) {
            (slow, Duration::ZERO)
        } else {
            (Duration::ZERO, slow)
        };
        tokio::time::sleep(before).await;
        let answer = self.act(&request, false);
        match draw {
            60..70 => {
                self.lost(&host, pk.as_deref());
                std::future::pending().await
            }
            70..75 => {
                self.lost(&host, pk.as_deref());
                Err(Trouble::Lost(None))
            }
            75..80 => {
                self.dies(process);
                std::future::pending().await
            }
            _ => {
                tokio::time::sleep(after + self.draw.span(Duration::from_millis(80))).await;
                Ok(answer)
            }
        }
    }

    /// The far side takes a request, whether anybody waits for its answer or not.
    pub(crate) fn act(&self, request: &Outgoing, late: bool) -> Answer {
        let host = request.url.host_str().unwrap_or_default();
        let answer = self.far.answer(self.clock.now().millis(), request);
        if let Some((_, text)) = Self::said(request)
            && taken(host, &answer)
        {
            self.take_now(&text, late);
        }
        answer
    }

    fn lost(&self, host: &str, pk: Option<&str>) {
        self.totals.lock().unwrap().answers_lost += 1;
        if let (Some(DUMB), Some(pk)) = (desk_of(host), pk) {
            self.excuse(pk);
        }
    }
}

fn taken(host: &str, answer: &Answer) -> bool {
    if desk_of(host).is_some() {
        return answer.status == 200;
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    body.get("errcode").and_then(serde_json::Value::as_i64) == Some(0)
}

fn status(status: u16) -> Answer {
    Answer {
        status,
        headers: http::HeaderMap::new(),
        body: Vec::new(),
    }
}
