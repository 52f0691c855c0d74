//! The table at the end: nothing waits, nothing is claimed, nothing is parked,
//! and every row is as its state wants it.

use std::collections::BTreeMap;

use crate::checks::Found;
use crate::rows::Row;

/// Says what does not hold.
pub(crate) fn check(rows: &[Row], deleted: Option<&str>) -> Found {
    let begun: BTreeMap<&str, &Row> = rows
        .iter()
        .filter(|row| row.text("sk") == "J")
        .map(|row| (row.text("pk"), row))
        .collect();
    let links: BTreeMap<&str, &str> = rows
        .iter()
        .filter(|row| row.text("pk").starts_with("X#"))
        .map(|row| (row.text("pk"), row.text("u")))
        .collect();
    for row in rows {
        let (pk, sk) = (row.text("pk"), row.text("sk"));
        // A worker that has not heard yet that its channel is deleted may begin a
        // conversation behind the purge: it is there for nobody, and stays.
        let gone = deleted == Some(row.text("ch"));
        let wrong = match sk {
            "J" | "#" if gone => None,
            _ if gone && sk.starts_with("J#") => None,
            "J" => conversation(row, &links),
            "#" => link(row, &begun),
            _ if sk.starts_with("J#") => Some("is parked still"),
            _ if sk.starts_with("I#") || sk.starts_with("O#") => entry(row),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(format!("{pk} {sk} {wrong}"));
        }
    }
    Ok(())
}

fn entry(row: &Row) -> Option<&'static str> {
    let dead = format!("dead#{}", row.text("ch"));
    match row.text("st") {
        "d" | "x" if row.has("cb") || row.has("cu") => Some("is claimed still"),
        "d" | "x" if !row.has("ttl") => Some("would be kept for ever"),
        "x" if row.text("r").is_empty() => Some("died without a reason"),
        "x" if row.text("dp") != dead || !row.has("du") => Some("is not listed among the dead"),
        "d" if row.has("dp") || row.has("r") => Some("arrived and looks dead"),
        "d" | "x" => None,
        _ => Some("has not ended"),
    }
}

/// A session that is over leaves its conversation on the board's closed side.
fn conversation(row: &Row, links: &BTreeMap<&str, &str>) -> Option<&'static str> {
    let closed = format!("{}#closed#", row.text("ch"));
    let link = links.get(format!("X#{}", row.text("cid")).as_str());
    if row.has("ses") || row.has("so") {
        return Some("has an open session");
    }
    if !row.text("bp").starts_with(&closed) {
        return Some("is on the wrong side of the board");
    }
    if row.text("bt") != format!("{:013}#{}", row.number("act")?, row.text("pk")) {
        return Some("is in the wrong place on the board");
    }
    if !row.has("lk") || link != Some(&row.text("pk")) {
        return Some("cannot be found by its customer id");
    }
    None
}

fn link(row: &Row, begun: &BTreeMap<&str, &Row>) -> Option<&'static str> {
    let customer = row.text("pk").trim_start_matches("X#");
    let there = begun.get(row.text("u"));
    let leads = there.is_some_and(|there| there.text("cid") == customer);
    (!leads).then_some("leads nowhere")
}
