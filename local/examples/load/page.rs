//! An agent's page, without the browser: it listens for changes, asks for them,
//! and answers.

use std::collections::BTreeSet;

use magpie::clock::Clock;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use url::Url;

use crate::Outcome;
use crate::words::line;

/// The page of the agent who has one conversation.
pub(crate) struct Page {
    base: Url,
    admin: String,
    channel: &'static str,
    client: Client,
    events: Response,
    heard: Vec<u8>,
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
            cursor: text_of(&changes, "/cursor").to_owned(),
            customer: None,
            client,
        })
    }

    /// Waits until it shows what begins with this line. Says how many entries
    /// it shows for it.
    pub(crate) async fn shows(&mut self, wanted: &str) -> Outcome<usize> {
        loop {
            let entries = self.look(wanted).await?;
            if entries > 0 {
                return Ok(entries);
            }
            self.told().await?;
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
        while !self
            .heard
            .windows(CHANGE.len())
            .any(|bytes| bytes == CHANGE)
        {
            let more = self.events.chunk().await?;
            self.heard
                .extend(more.ok_or("the page is told nothing more")?);
        }
        self.heard.clear();
        Ok(())
    }

    /// Asks for what changed, and counts the entries that begin with this line.
    async fn look(&mut self, wanted: &str) -> Outcome<usize> {
        let of = self.channel;
        let from = &self.cursor;
        let looked_at = self.customer.as_deref().unwrap_or_default();
        let path = format!("/api/changes?channel={of}&cursor={from}&customer={looked_at}");
        let changes = json_of(self.call(Method::GET, &path)?).await?;
        text_of(&changes, "/cursor").clone_into(&mut self.cursor);
        if self.customer.is_none() {
            let found = list(&changes, "/conversations")
                .find(|one| text_of(one, "/last_message/text").starts_with(wanted));
            let Some(found) = found else { return Ok(0) };
            self.customer = Some(text_of(found, "/customer_id").to_owned());
            return Box::pin(self.look(wanted)).await;
        }
        let entries = list(&changes, "/messages")
            .filter(|message| line(text_of(message, "/text")) == wanted)
            .map(|message| text_of(message, "/id").to_owned());
        Ok(entries.collect::<BTreeSet<_>>().len())
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
