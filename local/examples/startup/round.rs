//! One process from its start to its last event, and whether it did its part.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Outcome;
use crate::child::Child;
use crate::events::Kind;
use crate::far::Far;
use crate::harness::runtime_api::Spec;
use crate::house::House;
use crate::programs::Program;

/// What one process took.
pub(crate) struct Measured {
    /// From its start until it asked for an event.
    pub(crate) ready: Duration,
    /// Time on processors until then.
    pub(crate) cpu_ready: Duration,
    /// From the first event to its answer.
    pub(crate) first: Duration,
    /// Time on processors from the start until the first answer.
    pub(crate) cpu_first: Duration,
    /// Bytes of memory at that time, at the most.
    pub(crate) memory: usize,
    /// Bytes printed until then.
    pub(crate) printed_first: usize,
    /// Time on processors of each later event, on average.
    pub(crate) cpu_more: Duration,
    /// From a later event to its answer, on average.
    pub(crate) more: Duration,
    /// Bytes printed for each later event, on average.
    pub(crate) printed_more: usize,
}

/// Starts a program, and gives it its first event and `more` after it.
pub(crate) fn play(
    runtime: &Runtime,
    program: &Program,
    far: &Far,
    house: &House,
    more: u32,
) -> Outcome<Measured> {
    let mut spec = Spec::new(program.kind.program(), "", &[]);
    spec.program.clone_from(&program.path);
    spec.environment = far.environment()?;
    let prepared = runtime.block_on(house.prepare(program.kind))?;
    let mut child = Child::start(spec)?;
    let ready = child.ready()?;
    let cpu_ready = child.cpu()?;

    let invoke =
        |child: &mut Child, prepared| one(runtime, program.kind, far, house, child, prepared);
    let first = invoke(&mut child, prepared)?;
    let cpu_first = child.cpu()?;
    let (memory, printed_first) = (child.memory()?, child.printed());

    let (mut took, mut cpu_more) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..more {
        let prepared = runtime.block_on(house.prepare(program.kind))?;
        let before = child.cpu()?;
        took += invoke(&mut child, prepared)?;
        cpu_more += child.cpu()?.saturating_sub(before);
    }
    let each = more.max(1);
    Ok(Measured {
        ready,
        cpu_ready,
        first,
        cpu_first,
        memory,
        printed_first,
        cpu_more: cpu_more / each,
        more: took / each,
        printed_more: (child.printed() - printed_first) / usize::try_from(each)?,
    })
}

type Prepared = (Value, Option<(magpie::journal::Lane, String)>);

/// One event, and what came of it.
fn one(
    runtime: &Runtime,
    kind: Kind,
    far: &Far,
    house: &House,
    child: &mut Child,
    (event, left): Prepared,
) -> Outcome<Duration> {
    let told = || {
        let told = match kind {
            Kind::ToDesk => &far.told.desk,
            Kind::ToWechat => &far.told.wechat,
            _ => return 0,
        };
        told.load(Ordering::Relaxed)
    };
    let before = told();
    let invoked = child.invoke(&event.to_string())?;
    let answer: Value = serde_json::from_slice(&invoked.answer)?;
    let status = answer.get("statusCode").and_then(Value::as_u64);
    let body = answer.get("body").and_then(Value::as_str);
    let right = match kind {
        Kind::Bare => answer == event,
        Kind::Verify => status == Some(200) && body == Some("5837397576500011341"),
        Kind::Inbound => status == Some(200) && body == Some("success"),
        Kind::Outbound => status == Some(202),
        Kind::ToDesk | Kind::ToWechat => {
            answer == json!({ "batchItemFailures": [] }) && told() > before
        }
        Kind::Sweep | Kind::TokenRefresh => answer.is_null(),
        Kind::Console => status == Some(200),
    };
    if !right {
        return Err(format!("it answered {answer}").into());
    }
    if let Some((lane, part)) = left {
        let newest = runtime.block_on(house.newest(kind, lane))?;
        if !newest.is_some_and(|key| key.contains(&part)) {
            return Err(format!("{part} is not journalled").into());
        }
    }
    Ok(invoked.took)
}
