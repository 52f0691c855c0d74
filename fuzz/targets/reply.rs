//! A passive reply, whatever it says: it is read as it was meant, and nothing in it ends
//! its place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use magpie::message::OpenId;
use magpie::reply::{Article, Reply};
use magpie::wechat::push;
use magpie::wechat::reply::{Address, document};

fuzz_target!(|said: (u8, &str, &str)| {
    let (kind, one, other) = said;
    let (text, more) = (|| one.to_owned(), || Some(other.to_owned()));
    let reply = match kind % 8 {
        0 | 1 => Reply::text(one),
        6 => Reply::Voice { media_id: text() },
        7 => Reply::Video {
            media_id: text(),
            title: more(),
            description: more(),
        },
        2 => Reply::Image { media_id: text() },
        3 => Reply::Music {
            thumb_media_id: text(),
            title: more(),
            description: more(),
            url: more(),
            hq_url: more(),
        },
        4 => Reply::News {
            articles: vec![Article {
                title: text(),
                description: more(),
                picture: None,
                url: text(),
            }],
        },
        _ => Reply::TransferCustomerService { kf_account: more() },
    };
    let to = OpenId::new("oAnn");
    let address = Address {
        to: &to,
        from: "gh_1",
    };
    let document = document(&reply, address, 1_748_921_600);
    // The reader of pushes reads what we write.
    let read = push::parse(document.as_bytes()).unwrap();
    assert_eq!(
        (read.to.as_deref(), read.create_time),
        (Some("oAnn"), Some(1_748_921_600))
    );
    if let Reply::Text { text } = &reply {
        let magpie::message::Body::Text { text: read, .. } = read.body else {
            panic!("no text");
        };
        let kept = |c: &char| matches!(c, '\t' | '\n' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(read, text.chars().filter(kept).collect::<String>());
    }
});
