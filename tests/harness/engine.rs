//! DynamoDB on loopback, and what AWS puts behind a table's stream: the event
//! source mapping, which filters, batches, invokes, and repeats what failed.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use dynoxide::Database;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::runtime_api::{Function, FunctionError};
use super::tables::Tables;
use super::{ACCOUNT, REGION};

/// How often a followed stream is read. Lambda reads four times a second.
const POLL: Duration = Duration::from_millis(20);

/// The engine in memory, served to other processes; it stops when it is dropped.
pub(crate) struct Engine {
    database: Database,
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Serves an empty database from a thread of its own, since the engine
    /// answers on the thread that asks.
    pub(crate) fn start() -> std::io::Result<Engine> {
        let database = Database::memory().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let (stop, stopped) = oneshot::channel();
        let served = database.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                // Connections that clients keep open do not delay the end.
                tokio::select! {
                    () = dynoxide::server::serve_on(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Engine {
            database,
            endpoint,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The same database without a socket.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The same database, as tests look at it.
    pub(crate) fn tables(&self) -> Tables {
        Tables::Memory(self.database.clone())
    }

    /// The stream of `table` from its beginning. The table may come later.
    pub(crate) fn stream(&self, table: &str) -> Stream {
        Stream::of(self.tables(), table)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A reader of one table's stream, with an event source mapping's settings.
pub(crate) struct Stream {
    tables: Tables,
    table: String,
    position: Option<Position>,
    pub(crate) batch_size: usize,
    /// How often a batch that makes no progress is repeated.
    pub(crate) retries: usize,
    dropped: Arc<Mutex<Vec<Value>>>,
}

struct Position {
    source: String,
    iterator: String,
}

/// A stream that is being followed; it stops when this is dropped.
pub(crate) struct Following {
    dropped: Arc<Mutex<Vec<Value>>>,
    _task: JoinSet<()>,
}

impl Following {
    /// The records that went to the failure queue.
    pub(crate) fn dropped(&self) -> Vec<Value> {
        self.dropped.lock().unwrap().clone()
    }
}

impl Stream {
    /// The stream of `table` from its beginning. The table may come later.
    pub(crate) fn of(tables: Tables, table: &str) -> Stream {
        Stream {
            tables,
            table: table.to_owned(),
            position: None,
            batch_size: 100,
            retries: 2,
            dropped: Arc::default(),
        }
    }

    /// Rings `function` for every record from now on.
    pub(crate) fn follow(mut self, function: Function) -> Following {
        let dropped = Arc::clone(&self.dropped);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut poll = tokio::time::interval(POLL);
            poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                poll.tick().await;
                self.pump(|event| function.invoke(event)).await;
            }
        });
        Following {
            dropped,
            _task: task,
        }
    }

    /// Hands over what is new in batches, one after the other, until nothing
    /// is left. Returns the number of records handed over, repeats not counted.
    pub(crate) async fn pump<I, A>(&mut self, invoke: I) -> usize
    where
        I: Fn(Value) -> A,
        A: Future<Output = Result<Value, FunctionError>>,
    {
        let mut count = 0;
        while let Some(records) = self.read() {
            let bells: Vec<Value> = records.into_iter().filter(is_bell).collect();
            for batch in bells.chunks(self.batch_size) {
                count += batch.len();
                self.hand_over(batch.to_vec(), &invoke).await;
            }
        }
        count
    }

    /// The records that went to the failure queue.
    pub(crate) fn dropped(&self) -> Vec<Value> {
        self.dropped.lock().unwrap().clone()
    }

    async fn hand_over<I, A>(&self, mut batch: Vec<Value>, invoke: &I)
    where
        I: Fn(Value) -> A,
        A: Future<Output = Result<Value, FunctionError>>,
    {
        let mut left = self.retries;
        loop {
            let answer = invoke(json!({ "Records": batch })).await;
            let failed = match &answer {
                Ok(answer) => first_failed(answer, &batch),
                Err(_) => Some(0),
            };
            match failed {
                None => return,
                Some(0) if left == 0 => break,
                Some(0) => left -= 1,
                Some(done) => {
                    batch.drain(..done);
                    left = self.retries;
                }
            }
        }
        self.dropped.lock().unwrap().append(&mut batch);
    }

    /// The next records, each as Lambda is given it; `None` if there are none.
    fn read(&mut self) -> Option<Vec<Value>> {
        let position = match self.position.take() {
            Some(position) => position,
            None => self.start()?,
        };
        let request = json!({ "ShardIterator": position.iterator, "Limit": 1000 });
        // An engine in another process may have thrown away what was read.
        let Ok(mut read) = self.tables.try_call("GetRecords", &request) else {
            return None;
        };
        self.position = Some(Position {
            iterator: text(&read["NextShardIterator"]),
            source: position.source.clone(),
        });
        let lambda = |mut record: Value| {
            record["awsRegion"] = REGION.into();
            record["eventSourceARN"] = position.source.clone().into();
            record
        };
        let Value::Array(records) = read["Records"].take() else {
            return None;
        };
        let records: Vec<Value> = records.into_iter().map(lambda).collect();
        (!records.is_empty()).then_some(records)
    }

    /// The beginning of the stream, if the table is there and has one.
    fn start(&self) -> Option<Position> {
        let request = json!({ "TableName": self.table });
        let streams = self.tables.call("ListStreams", &request);
        let arn = streams["Streams"].get(0)?["StreamArn"].clone();
        let request = json!({ "StreamArn": arn });
        let stream = &self.tables.call("DescribeStream", &request)["StreamDescription"];
        let request = json!({
            "StreamArn": arn,
            "ShardId": stream["Shards"].get(0)?["ShardId"],
            "ShardIteratorType": "TRIM_HORIZON",
        });
        let iterator = self.tables.call("GetShardIterator", &request)["ShardIterator"].take();
        let (table, label) = (&self.table, text(&stream["StreamLabel"]));
        Some(Position {
            iterator: text(&iterator),
            source: format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/{label}"),
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The mapping's filter: a new entry rings, nothing else does.
fn is_bell(record: &Value) -> bool {
    let sk = record
        .pointer("/dynamodb/Keys/sk/S")
        .and_then(Value::as_str);
    let inserted = record.get("eventName").and_then(Value::as_str) == Some("INSERT");
    inserted && sk.is_some_and(|sk| sk.starts_with("I#") || sk.starts_with("O#"))
}

/// Where to go on: at the lowest sequence number that the answer names. An
/// answer that names none of the batch's, or that is nonsense, means all of it.
fn first_failed(answer: &Value, batch: &[Value]) -> Option<usize> {
    let failures = match answer {
        Value::Null => return None,
        Value::Object(fields) => match fields.get("batchItemFailures") {
            None | Some(Value::Null) => return None,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Some(0),
        },
        _ => return Some(0),
    };
    let position = |failure: &Value| {
        let number = failure.get("itemIdentifier")?;
        let of = |record: &Value| record.pointer("/dynamodb/SequenceNumber") == Some(number);
        batch.iter().position(of)
    };
    let positions = failures
        .iter()
        .map(|failure| position(failure).unwrap_or(0));
    positions.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(engine: &Engine) {
        let request = json!({
            "TableName": "messages",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                { "AttributeName": "pk", "AttributeType": "S" },
                { "AttributeName": "sk", "AttributeType": "S" },
            ],
            "KeySchema": [
                { "AttributeName": "pk", "KeyType": "HASH" },
                { "AttributeName": "sk", "KeyType": "RANGE" },
            ],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" },
        });
        engine
            .database()
            .create_table(serde_json::from_value(request).unwrap())
            .unwrap();
    }

    fn put(engine: &Engine, sk: &str) {
        let item = json!({ "pk": { "S": "U#h" }, "sk": { "S": sk }, "body": { "S": "你好" } });
        let request = json!({ "TableName": "messages", "Item": item });
        engine
            .database()
            .put_item(serde_json::from_value(request).unwrap())
            .unwrap();
    }

    fn keys(event: &Value) -> Vec<String> {
        let records = event["Records"].as_array().unwrap().iter();
        let key = |record: &Value| {
            record["dynamodb"]["Keys"]["sk"]["S"]
                .as_str()
                .map(str::to_owned)
        };
        records.map(|record| key(record).unwrap()).collect()
    }

    #[tokio::test]
    async fn only_new_entries_ring_and_in_order() {
        let engine = Engine::start().unwrap();
        let mut stream = engine.stream("messages");
        let seen = Mutex::new(Vec::new());
        let invoke = |event: Value| {
            seen.lock().unwrap().push(event);
            std::future::ready(Ok(json!({ "batchItemFailures": [] })))
        };
        assert_eq!(stream.pump(invoke).await, 0);
        table(&engine);
        for sk in ["I#2", "J", "O#1", "I#1", "I#2"] {
            put(&engine, sk);
        }
        assert_eq!(stream.pump(invoke).await, 3);
        assert_eq!(stream.pump(invoke).await, 0);
        put(&engine, "I#3");
        assert_eq!(stream.pump(invoke).await, 1);

        let seen = seen.lock().unwrap();
        assert_eq!(
            seen.iter().flat_map(keys).collect::<Vec<_>>(),
            ["I#2", "O#1", "I#1", "I#3"]
        );
        let record = &seen[0]["Records"][0];
        assert_eq!(record["eventSource"], "aws:dynamodb");
        assert_eq!(record["dynamodb"]["StreamViewType"], "KEYS_ONLY");
        assert_eq!(record["dynamodb"].get("NewImage"), None);
        let source = record["eventSourceARN"].as_str().unwrap();
        assert!(source.contains(":table/messages/stream/"), "{source}");
    }

    #[tokio::test]
    async fn a_failed_record_and_those_behind_it_are_repeated() {
        let engine = Engine::start().unwrap();
        table(&engine);
        for number in 0..5 {
            put(&engine, &format!("I#{number}"));
        }
        let mut stream = engine.stream("messages");
        stream.batch_size = 4;
        let sizes = Mutex::new(Vec::new());
        let handed = stream
            .pump(|event| {
                let records = event["Records"].as_array().unwrap();
                sizes.lock().unwrap().push(records.len());
                let failures: Vec<Value> = records
                    .iter()
                    .filter(|record| record["dynamodb"]["Keys"]["sk"]["S"] == "I#2")
                    .map(|record| json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] }))
                    .collect();
                std::future::ready(Ok(json!({ "batchItemFailures": failures })))
            })
            .await;
        assert_eq!(handed, 5);
        assert_eq!(*sizes.lock().unwrap(), [4, 2, 2, 2, 1]);
        assert_eq!(
            keys(&json!({ "Records": stream.dropped() })),
            ["I#2", "I#3"]
        );
    }

    #[test]
    fn what_an_answer_means() {
        let record = |number: &str| json!({ "dynamodb": { "SequenceNumber": number } });
        let batch = [record("11"), record("12"), record("13")];
        let check = |answer: Value, expected: Option<usize>| {
            assert_eq!(first_failed(&answer, &batch), expected, "{answer}");
        };
        let failed = |number: &str| json!({ "itemIdentifier": number });
        check(Value::Null, None);
        check(json!({}), None);
        check(json!({ "batchItemFailures": [] }), None);
        check(
            json!({ "batchItemFailures": [failed("13"), failed("12")] }),
            Some(1),
        );
        check(json!({ "batchItemFailures": [failed("")] }), Some(0));
        check(json!({ "batchItemFailures": [failed("14")] }), Some(0));
        check(json!({ "batchItemFailures": "12" }), Some(0));
        check(json!("ok"), Some(0));
    }
}
