//! QR codes: kept once, counted once, and no more than there may be.

use futures_util::future::join_all;
use magpie::journal::{Class, State};
use magpie::qrcode::{QRCODES, Qrcode, Scene};
use magpie::store::Kept;

use crate::made::{TTL, after, at, channel_id, of_class, shop};
use crate::tables::Tables;

fn code(scene: &str, expires: Option<i64>) -> Qrcode {
    Qrcode {
        scene: Scene::parse(scene).unwrap(),
        name: format!("柜台 {scene}"),
        ticket: "gQ+/=".to_owned(),
        url: "http://weixin.qq.com/q/1".to_owned(),
        expires: expires.map(after),
        created: after(0),
        scans: 0,
    }
}

fn kept(code: Qrcode) -> Kept {
    Kept::Kept(Box::new(code))
}

#[tokio::test]
async fn one_of_many_makers_of_a_scene_keeps_it() {
    let tables = Tables::new().await;
    let (shop, code) = (shop(), code("a", None));
    let makers = join_all((0..8).map(|_| tables.keep_qrcode(&shop, &code))).await;
    let won = makers
        .iter()
        .filter(|one| *one.as_ref().unwrap() == kept(code.clone()));
    assert_eq!(won.count(), 1);
    assert_eq!(tables.qrcode_count(&shop).await.unwrap(), 1);
    assert_eq!(
        tables.qrcode(&shop, &code.scene).await.unwrap(),
        Some(code.clone())
    );
    let other = channel_id("other");
    assert_eq!(tables.qrcode(&other, &code.scene).await.unwrap(), None);
    assert!(tables.forget_qrcode(&shop, &code.scene).await.unwrap());
    assert!(!tables.forget_qrcode(&shop, &code.scene).await.unwrap());
    assert_eq!(tables.qrcode_count(&shop).await.unwrap(), 0);
}

#[tokio::test]
async fn a_code_is_renewed_once_it_is_over_and_goes_on_counting() {
    let tables = Tables::new().await;
    let (shop, at) = (shop(), at("oAnn"));
    let first = code("a", Some(60));
    tables.keep_qrcode(&shop, &first).await.unwrap();
    let entry = of_class(1, Class::Event, "scan");
    tables.put_entry(&at, &entry, None).await.unwrap();
    let scan = tables.delivered_scan(&at, &entry.key, TTL, &shop, &first.scene);
    assert!(scan.await.unwrap());
    let mut next = code("a", Some(120));
    next.ticket = "gQnext".to_owned();
    let renew =
        async |next: &Qrcode, now| tables.renew_qrcode(&shop, next, after(now)).await.unwrap();
    assert_eq!(renew(&next, 59).await, Kept::Taken);
    next.scans = 1;
    assert_eq!(renew(&next, 60).await, kept(next.clone()));
    assert_eq!(renew(&next, 60).await, Kept::Taken, "somebody was faster");
    next.expires = None;
    assert_eq!(renew(&next, 120).await, kept(next.clone()));
    assert_eq!(
        renew(&next, 9_000).await,
        Kept::Taken,
        "it is good for ever"
    );
    assert_eq!(
        renew(&code("b", None), 9_000).await,
        Kept::Taken,
        "it was never made"
    );
    assert_eq!(tables.qrcode_count(&shop).await.unwrap(), 1);
}

#[tokio::test]
async fn a_scan_is_counted_with_the_mark_of_its_entry() {
    let tables = Tables::new().await;
    let (shop, at) = (shop(), at("oAnn"));
    let code = code("a", None);
    tables.keep_qrcode(&shop, &code).await.unwrap();
    let entries: Vec<_> = (0..4).map(|n| of_class(n, Class::Event, "scan")).collect();
    for entry in &entries {
        tables.put_entry(&at, entry, None).await.unwrap();
        let before = tables.spent();
        let scan = tables.delivered_scan(&at, &entry.key, TTL, &shop, &code.scene);
        assert!(scan.await.unwrap());
        let spent = tables.spent() - before;
        assert!(spent.write <= 4.0 && spent.read <= 0.0, "{spent:?}");
        let scan = tables.delivered_scan(&at, &entry.key, TTL, &shop, &code.scene);
        assert!(!scan.await.unwrap());
        let read = tables.entry(&at, &entry.key).await.unwrap().unwrap();
        assert_eq!(read.state, State::Delivered);
    }
    let read = tables.qrcode(&shop, &code.scene).await.unwrap().unwrap();
    assert_eq!(read.scans, 4);
    // Nobody's code: the entry is marked all the same, and no row comes of it.
    let entry = of_class(9, Class::Event, "scan");
    tables.put_entry(&at, &entry, None).await.unwrap();
    let nobodys = Scene::parse("nobodys").unwrap();
    let scan = tables.delivered_scan(&at, &entry.key, TTL, &shop, &nobodys);
    assert!(scan.await.unwrap());
    let scan = tables.delivered_scan(&at, &entry.key, TTL, &shop, &nobodys);
    assert!(!scan.await.unwrap());
    assert_eq!(tables.qrcode(&shop, &nobodys).await.unwrap(), None);
}

#[tokio::test]
async fn a_channel_has_so_many_and_no_more_and_loses_them_all() {
    let tables = Tables::new().await;
    let shop = shop();
    for number in 0..QRCODES {
        let code = code(&format!("c{number:04}"), None);
        assert_ne!(
            tables.keep_qrcode(&shop, &code).await.unwrap(),
            Kept::Full,
            "{number}"
        );
    }
    let more = code("one-more", None);
    assert_eq!(tables.keep_qrcode(&shop, &more).await.unwrap(), Kept::Full);
    assert_eq!(tables.qrcode(&shop, &more.scene).await.unwrap(), None);
    let known = code("c0000", None);
    assert_eq!(
        tables.keep_qrcode(&shop, &known).await.unwrap(),
        Kept::Taken
    );
    assert!(tables.forget_qrcode(&shop, &known.scene).await.unwrap());
    assert_ne!(tables.keep_qrcode(&shop, &more).await.unwrap(), Kept::Full);

    let page = tables.qrcodes(&shop, None, 3).await.unwrap();
    let scenes: Vec<_> = page.codes.iter().map(|code| code.scene.as_str()).collect();
    assert_eq!(scenes, ["c0001", "c0002", "c0003"]);
    let page = tables.qrcodes(&shop, page.next.as_ref(), 1).await.unwrap();
    assert_eq!(page.codes[0].scene.as_str(), "c0004");
    let mut rounds = 0;
    while !tables.forget_some_qrcodes(&shop).await.unwrap() {
        rounds += 1;
    }
    assert!(rounds >= 39, "{rounds}");
    assert!(
        tables
            .qrcodes(&shop, None, 3)
            .await
            .unwrap()
            .codes
            .is_empty()
    );
    assert_eq!(tables.qrcode_count(&shop).await.unwrap(), 0);
}
