//! What was ordered, and what came of it.

use std::time::Duration;

use super::*;

/// Meets a `custom/send` of these words and tells how it ends: its code, its
/// status if that is not 200, or why there is none.
fn end(wechat: &mut WeChat, token: &str, body: &str) -> (u64, String) {
    let request = format!("POST {SEND}?access_token={token}");
    let treatment = meet(wechat, &request, body.as_bytes());
    let words = match treatment.end {
        End::Answer(answer) if answer.status == 200 => answer.errcode().to_string(),
        End::Answer(answer) => format!("HTTP {}", answer.status),
        End::Close => "closed".to_owned(),
        End::Hold => "held".to_owned(),
    };
    (treatment.delay.as_secs(), words)
}

fn outcome(wechat: &WeChat) -> (Outcome, Option<i64>, bool) {
    match &wechat.sights().next_back().unwrap().event {
        Event::Call {
            outcome,
            took_ms,
            ordered,
            ..
        } => (*outcome, *took_ms, *ordered),
        other => panic!("no call was seen but {other:?}"),
    }
}

#[test]
fn every_trouble_once() {
    for (trouble, expected, seen, arrives) in [
        (Trouble::Late, "0", Outcome::Code(0), true),
        (Trouble::Code(-1), "-1", Outcome::Code(-1), false),
        (Trouble::Code(45009), "45009", Outcome::Code(45009), false),
        (
            Trouble::Status(500),
            "HTTP 500",
            Outcome::Status(500),
            false,
        ),
        (
            Trouble::Status(502),
            "HTTP 502",
            Outcome::Status(502),
            false,
        ),
        (
            Trouble::Status(503),
            "HTTP 503",
            Outcome::Status(503),
            false,
        ),
        (Trouble::CloseBefore, "closed", Outcome::ClosedBefore, false),
        (Trouble::CloseAfter, "closed", Outcome::ClosedAfter(0), true),
        (Trouble::Silence, "held", Outcome::Silent, false),
    ] {
        let (mut wechat, ming, token) = start();
        let silent = trouble == Trouble::Silence;
        let delay_ms = if silent { 0 } else { 3_000 };
        let mishap = Mishap {
            delay_ms,
            ..Mishap::once(ApiPath::Send, trouble)
        };
        wechat.order(mishap).unwrap();
        let hi = text(&ming, "hi");
        let met = end(&mut wechat, &token, &hi);
        assert_eq!(met, (u64::from(delay_ms / 1_000), expected.to_owned()));
        let took_ms = (!silent).then_some(3_000);
        assert_eq!(outcome(&wechat), (seen, took_ms, true));
        let shown = wechat.customer(APP, &ming).unwrap().received().count();
        assert_eq!(shown, usize::from(arrives), "{trouble:?}");
        // The next one is as ever.
        assert_eq!(wechat.ordered(), []);
        assert_eq!(end(&mut wechat, &token, &hi), (0, "0".to_owned()));
        assert_eq!(outcome(&wechat), (Outcome::Code(0), Some(0), false));
    }
}

#[test]
fn orders_of_a_path_wait_in_line_and_leave_other_paths_alone() {
    let (mut wechat, ming, token) = start();
    let hi = text(&ming, "hi");
    let twice = Mishap {
        times: Some(2),
        ..Mishap::once(ApiPath::Send, Trouble::Code(40001))
    };
    wechat.order(twice).unwrap();
    let down = Mishap::always(ApiPath::Send, Trouble::Silence);
    let down = wechat.order(down).unwrap();
    wechat
        .order(Mishap::once(ApiPath::StableToken, Trouble::Code(40164)))
        .unwrap();
    for expected in ["40001", "40001", "held", "held", "held"] {
        assert_eq!(end(&mut wechat, &token, &hi).1, expected);
    }
    assert_eq!(wechat.ordered().len(), 2);
    let treatment = meet(&mut wechat, "POST /cgi-bin/stable_token", b"{}");
    let End::Answer(answer) = treatment.end else {
        panic!("{:?}", treatment.end);
    };
    let words = String::from_utf8(answer.body).unwrap();
    assert!(words.contains("invalid ip 203.0.113.7, not in whitelist rid: "));
    assert!(wechat.call_off(down));
    assert!(!wechat.call_off(down));
    assert_eq!(end(&mut wechat, &token, &hi).1, "0");
}

#[test]
fn all_orders_are_called_off_at_once() {
    let (mut wechat, ming, token) = start();
    for path in ApiPath::ALL {
        wechat
            .order(Mishap::always(path, Trouble::Code(-1)))
            .unwrap();
    }
    assert_eq!(wechat.ordered().len(), ApiPath::ALL.len());
    wechat.call_off_all();
    assert_eq!(end(&mut wechat, &token, &text(&ming, "hi")).1, "0");
}

#[test]
fn an_ordered_code_stands_in_the_log() {
    let (mut wechat, ming, token) = start();
    wechat
        .order(Mishap::once(ApiPath::Send, Trouble::Code(48004)))
        .unwrap();
    end(&mut wechat, &token, &text(&ming, "hi"));
    let seen = wechat.log().next_back().unwrap();
    assert_eq!((seen.errcode, seen.app_id.as_deref()), (48004, Some(APP)));
    assert_eq!(seen.call, format!("POST {SEND}"));
}

#[test]
fn a_call_that_is_not_met_is_as_ever() {
    let (mut wechat, ming, token) = start();
    wechat
        .order(Mishap::once(ApiPath::Send, Trouble::CloseBefore))
        .unwrap();
    assert_eq!(send(&mut wechat, NOW, &token, &text(&ming, "hi")), 0);
    assert_eq!(wechat.ordered().len(), 1);
}

#[test]
fn an_ordinary_call_is_met_with_the_same_answer() {
    let request = format!("POST {SEND}?access_token=short");
    let answer = call(&mut start().0, NOW, &request, b"{}");
    let expected = Treatment {
        delay: Duration::ZERO,
        end: End::Answer(answer),
    };
    assert_eq!(meet(&mut start().0, &request, b"{}"), expected);
    let unknown = meet(&mut start().0, "GET /cgi-bin/no/such", b"");
    let End::Answer(answer) = unknown.end else {
        panic!("{:?}", unknown.end);
    };
    assert_eq!(answer.status, 404);
}

#[test]
fn what_cannot_be_carried_out_cannot_be_ordered() {
    let mut wechat = start().0;
    let once = |trouble| Mishap::once(ApiPath::Token, trouble);
    let times = |times| Mishap {
        times: Some(times),
        ..once(Trouble::CloseAfter)
    };
    let late = |delay_ms, trouble| Mishap {
        delay_ms,
        ..once(trouble)
    };
    for (mishap, expected) in [
        (times(0), BadMishap::Times),
        (times(1_000_001), BadMishap::Times),
        (late(60_001, Trouble::Late), BadMishap::Delay),
        (late(0, Trouble::Late), BadMishap::NoDelay),
        (late(1, Trouble::Silence), BadMishap::SilentDelay),
        (once(Trouble::Code(0)), BadMishap::Code),
        (once(Trouble::Code(12_345)), BadMishap::Code),
        (once(Trouble::Status(200)), BadMishap::Status),
        (once(Trouble::Status(504)), BadMishap::Status),
    ] {
        assert_eq!(wechat.order(mishap), Err(expected), "{mishap:?}");
    }
    assert_eq!(wechat.ordered(), []);
    for _ in 0..50 {
        wechat.order(once(Trouble::CloseBefore)).unwrap();
    }
    let one_more = wechat.order(once(Trouble::CloseBefore));
    assert_eq!(one_more, Err(BadMishap::TooMany));
}
