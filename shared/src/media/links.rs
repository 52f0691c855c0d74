//! The addresses of files: to look at them, and to bring them.
//!
//! Invariant: an address is signed for its place, its time and one of the two alone. It says the
//! same however often it is made.

use url::Url;

use super::Place;
use crate::journal::Pepper;
use crate::moment::Moment;

/// What the signatures of links are for, and for nothing else.
const PURPOSE: &str = "media";

/// What the signatures of addresses to which files are brought are for.
const BRINGING: &str = "upload";

/// The address to which a file of exactly this size may be brought until then.
#[must_use]
pub fn door(pepper: &Pepper, base: &Url, place: &Place, size: u64, until: Moment) -> Option<Url> {
    let mut url = address(base, place)?;
    let seconds = until.seconds().to_string();
    let signature = pepper.seal(BRINGING, &format!("{place}?{seconds}&{size}"));
    url.query_pairs_mut()
        .append_pair("until", &seconds)
        .append_pair("size", &size.to_string())
        .append_pair("sig", &signature);
    Some(url)
}

/// Reads such an address: the place and the size. `None` unless it is ours and still good.
#[must_use]
pub fn open_door(pepper: &Pepper, path: &str, query: &str, now: Moment) -> Option<(Place, u64)> {
    let place = Place::parse(path)?;
    let [until, size, given] = ["until", "size", "sig"].map(|name| single(query, name));
    let (until, size) = (until?, size?);
    let expected = pepper.seal(BRINGING, &format!("{place}?{until}&{size}"));
    let ours = is_same(&expected, &given?);
    let until = Moment::from_seconds(until.parse().ok()?);
    (ours && now < until).then_some((place, size.parse().ok()?))
}

fn is_same(expected: &str, given: &str) -> bool {
    use subtle::ConstantTimeEq as _;
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// A parameter that stands in a query once.
fn single(query: &str, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = values.next()?.into_owned();
    values.next().is_none().then_some(value)
}

/// The address of a file, good until then.
#[must_use]
pub fn link(pepper: &Pepper, base: &Url, place: &Place, until: Moment) -> Option<Url> {
    signed(pepper, base, place, None, until)
}

/// The same, of a document that is kept under this name by whoever downloads it. A name that
/// would make the address too long for a message is left out.
#[must_use]
pub fn link_named(
    pepper: &Pepper,
    base: &Url,
    place: &Place,
    name: &str,
    until: Moment,
) -> Option<Url> {
    let name = Some(name).filter(|name| name.len() <= NAME_MAX);
    signed(pepper, base, place, name, until)
}

/// The longest name in an address, in bytes: a message takes 2,048, a byte may need three,
/// and the name itself stands above.
const NAME_MAX: usize = 400;

fn signed(
    pepper: &Pepper,
    base: &Url,
    place: &Place,
    name: Option<&str>,
    until: Moment,
) -> Option<Url> {
    let mut url = address(base, place)?;
    let seconds = until.seconds().to_string();
    let signature = pepper.seal(PURPOSE, &sealed(place, &seconds, name));
    let mut query = url.query_pairs_mut();
    query.append_pair("until", &seconds);
    if let Some(name) = name {
        query.append_pair("name", name);
    }
    query.append_pair("sig", &signature);
    drop(query);
    Some(url)
}

/// What is signed: a name cannot be changed, added or taken away.
fn sealed(place: &Place, until: &str, name: Option<&str>) -> String {
    match name {
        None => format!("{place}?{until}"),
        Some(name) => format!("{place}?{until}&{name}"),
    }
}

/// Reads the address of a file: its path below `/media/` and its query. Gives its place, and
/// the name that it is kept under if the link says one. `None` unless the link is ours and
/// still good.
#[must_use]
pub fn open(
    pepper: &Pepper,
    path: &str,
    query: &str,
    now: Moment,
) -> Option<(Place, Option<String>)> {
    let place = Place::parse(path)?;
    let (until, given) = (single(query, "until")?, single(query, "sig")?);
    let name = single(query, "name");
    let expected = pepper.seal(PURPOSE, &sealed(&place, &until, name.as_deref()));
    let ours = is_same(&expected, &given);
    let until = Moment::from_seconds(until.parse().ok()?);
    (ours && now < until).then_some((place, name))
}

/// What stands between where the outside finds us and a place.
const BELOW: &str = "/media/";

fn address(base: &Url, place: &Place) -> Option<Url> {
    let base = base.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}{BELOW}{place}")).ok()
}

/// The path below `/media/` and the query of an address that is below `base`; `None` of any
/// other.
#[must_use]
pub fn split<'a>(base: &Url, url: &'a str) -> Option<(&'a str, &'a str)> {
    let base = base.as_str().trim_end_matches('/');
    url.strip_prefix(base)?.strip_prefix(BELOW)?.split_once('?')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pepper, place};
    use super::*;
    use crate::media::LINK;

    #[test]
    fn what_may_be_brought_is_signed_with_its_size() {
        let base = Url::parse("https://bridge.example").unwrap();
        let until = Moment::from_seconds(1_000);
        let url = door(&pepper(), &base, &place(), 22, until).unwrap();
        let path = url.path().strip_prefix("/media/").unwrap();
        let query = url.query().unwrap();
        let check = |path: &str, query: &str, now: i64, expected: Option<(Place, u64)>| {
            let found = open_door(&pepper(), path, query, Moment::from_seconds(now));
            assert_eq!(found, expected, "{query}");
        };
        check(path, query, 999, Some((place(), 22)));
        check(path, query, 1_000, None);
        check(path, &query.replace("size=22", "size=23"), 999, None);
        check(path, &query.replace("until=1000", "until=1001"), 999, None);
        check(path, &format!("{query}&size=23"), 999, None);
        check(&path.replace(".png", ".jpg"), query, 999, None);
        // Whoever may look may not bring, and the other way round.
        assert_eq!(
            open(&pepper(), path, query, Moment::from_seconds(999)),
            None
        );
        let link = link(&pepper(), &base, &place(), until).unwrap();
        check(path, link.query().unwrap(), 999, None);
    }

    #[test]
    fn a_link_opens_its_place_alone_and_not_for_ever() {
        let (pepper, place) = (pepper(), place());
        let now = Moment::from_seconds(1_800_000_000);
        let until = now.plus(LINK);
        let base = Url::parse("https://bridge.example").unwrap();
        let url = link(&pepper, &base, &place, until).unwrap();
        assert_eq!(link(&pepper, &base, &place, until), Some(url.clone()));
        let path = url.path().strip_prefix("/media/").unwrap();
        let query = url.query().unwrap();
        assert_eq!(open(&pepper, path, query, now), Some((place.clone(), None)));
        assert_eq!(open(&pepper, path, query, until), None, "too late");
        let later = query.replace("until=1", "until=2");
        let other = path.replace(".png", ".jpg");
        let twice = format!("{query}&{query}");
        let upper = query.to_uppercase();
        for (path, query) in [
            (path, later.as_str()),
            (path, &twice),
            (path, &upper),
            (path, "until=1900000000"),
            (path, "until=1900000000&sig="),
            (path, ""),
            (&other, query),
        ] {
            assert_eq!(open(&pepper, path, query, now), None, "{path} {query}");
        }
        let others = Pepper::new(&[8; 32]).unwrap();
        assert_eq!(open(&others, path, query, now), None);
        // The name of a document is signed with it.
        let named = link_named(&pepper, &base, &place, "报价 &1.pdf", until).unwrap();
        let query = named.query().unwrap();
        let opened = open(&pepper, path, query, now);
        assert_eq!(
            opened,
            Some((place.clone(), Some("报价 &1.pdf".to_owned())))
        );
        for wrong in [
            query.replace("1.pdf", "2.pdf"),
            query.replace("&name=", "&nome="),
            format!("{query}&name=other"),
            url.query().unwrap().replace("&sig", "&name=x&sig"),
        ] {
            assert_eq!(open(&pepper, path, &wrong, now), None, "{wrong}");
        }
        let long = "长".repeat(134);
        let unnamed = link_named(&pepper, &base, &place, &long, until);
        assert_eq!(unnamed, Some(url));
        // One that is found below a path of its own.
        let below = Url::parse("https://bridge.example/magpie").unwrap();
        let url = link(&pepper, &below, &place, until).unwrap();
        assert!(url.path().starts_with("/magpie/media/shop/"), "{url}");
    }
}
