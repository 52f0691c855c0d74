//! An agent's page, without the browser: it listens for changes, asks for them,
//! and answers.

use std::time::{Duration, Instant};

use magpie::clock::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use url::Url;

use crate::words::line;
use crate::{Outcome, instant};

/// How long our page lets pass between two looks, at least.
const PACE: Duration = Duration::from_millis(250);

/// The page of the agent who has one conversation.
pub(crate) struct Page {
    base: Url,
    admin: String,
    channel: &'static str,
    client: Client,
    events: Response,
    heard: Vec<u8>,
    looked: Instant,
    cursor: String,
    customer: Option<String>,
}

impl Page {
    /// Opens it. Nobody has written to it yet.
    pub(crate) async fn open(base: &Url, admin: &str, channel: &'static str) -> Outcome<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "an agent's browser is not Magpie's"
        )]
        let client = Client::builder().no_proxy().build()?;
        let call = |path: &str| -> Outcome<RequestBuilder> {
            Ok(client.get(base.join(path)?).bearer_auth(admin))
        };
        let events = call("/api/events")?.send().await?.error_for_status()?;
        let changes = call(&format!("/api/changes?channel={channel}"))?;
        let changes = json_of(changes).await?;
        Ok(Self {
            base: base.clone(),
            admin: admin.to_owned(),
            channel,
            events,
            heard: Vec::new(),
            looked: instant(),
            cursor: text_of(&changes, "/cursor").to_owned(),
            customer: None,
            client,
        })
    }

    /// Waits until it shows what begins with this line.
    pub(crate) async fn shows(&mut self, wanted: &str) -> Outcome<()> {
        while !self.look(wanted).await? {
            self.told().await?;
        }
        Ok(())
    }

    /// Everything that the customer said, as the conversation shows it, from the
    /// first to the last.
    pub(crate) async fn heard(&self) -> Outcome<Vec<String>> {
        let Some(customer) = &self.customer else {
            return Ok(Vec::new());
        };
        let mut heard = Vec::new();
        let mut cursor = String::new();
        loop {
            let path = format!("/api/conversations/{customer}?limit=100&cursor={cursor}");
            let page = json_of(self.call(Method::GET, &path)?).await?;
            let messages = list(&page, "/messages")
                .filter(|message| {
                    text_of(message, "/direction") == "in" && text_of(message, "/kind") == "text"
                })
                .map(|message| text_of(message, "/text").to_owned());
            heard.splice(0..0, messages);
            match text_of(&page, "/cursor") {
                "" => return Ok(heard),
                next => next.clone_into(&mut cursor),
            }
        }
    }

    /// The agent answers.
    pub(crate) async fn answer(&self, id: &str, text: &str) -> Outcome<()> {
        let customer = self.customer.as_deref().unwrap_or_default();
        let time = Clock::System.now().to_string();
        let answer = json!({ "id": id, "time": time, "kind": "text", "text": text });
        let call = self
            .call(
                Method::POST,
                &format!("/api/conversations/{customer}/messages"),
            )?
            .header("content-type", "application/json")
            .body(answer.to_string());
        json_of(call).await?;
        Ok(())
    }

    fn call(&self, method: Method, path: &str) -> Outcome<RequestBuilder> {
        let call = self.client.request(method, self.base.join(path)?);
        Ok(call.bearer_auth(&self.admin))
    }

    /// Waits until the server says that something changed.
    async fn told(&mut self) -> Outcome<()> {
        const CHANGE: &[u8] = b"event: change";
        loop {
            let mut windows = self.heard.windows(CHANGE.len());
            if let Some(at) = windows.position(|bytes| bytes == CHANGE) {
                self.heard.drain(..at + CHANGE.len());
                return Ok(());
            }
            let more = self.events.chunk().await?;
            self.heard
                .extend(more.ok_or("the page is told nothing more")?);
        }
    }

    /// Asks for what changed. Says whether that shows what begins with this line.
    async fn look(&mut self, wanted: &str) -> Outcome<bool> {
        let of = self.channel;
        let from = &self.cursor;
        let looked_at = self.customer.as_deref().unwrap_or_default();
        let path = format!("/api/changes?channel={of}&cursor={from}&customer={looked_at}");
        tokio::time::sleep_until((self.looked + PACE).into()).await;
        self.looked = instant();
        let changes = json_of(self.call(Method::GET, &path)?).await?;
        text_of(&changes, "/cursor").clone_into(&mut self.cursor);
        if self.customer.is_none() {
            let found = list(&changes, "/conversations")
                .find(|one| text_of(one, "/last_message/text").starts_with(wanted));
            let Some(found) = found else { return Ok(false) };
            self.customer = Some(text_of(found, "/customer_id").to_owned());
            return Box::pin(self.look(wanted)).await;
        }
        let mut messages = list(&changes, "/messages");
        Ok(messages.any(|message| line(text_of(message, "/text")) == wanted))
    }
}

async fn json_of(call: RequestBuilder) -> Outcome<Value> {
    let answer = call.send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}

fn text_of<'a>(value: &'a Value, path: &str) -> &'a str {
    let text = value.pointer(path).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.pointer(path).and_then(Value::as_array);
    list.into_iter().flatten()
}
