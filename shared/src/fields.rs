//! What a push carried, element by element, and how it is read.
//!
//! Invariant: an element that is absent, empty or not of its documented form is
//! `None`: nothing is made up, and nothing here fails.

use std::collections::BTreeMap;
use std::str::FromStr;

/// The leaf elements of a push by their path (`EventKey`,
/// `SendLocationInfo.Label`), without the common header. A repeated path keeps
/// its values one to a line.
pub type Fields = BTreeMap<String, String>;

/// The text at a path, unless it is empty.
pub(crate) fn text(fields: &Fields, path: &str) -> Option<String> {
    fields
        .get(path)
        .map(|value| value.trim())
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

/// The text at a path whose spelling differs between pushes in case.
pub(crate) fn any_case(fields: &Fields, path: &str) -> Option<String> {
    let (exact, _) = fields
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(path))?;
    text(fields, exact)
}

/// The number at a path.
pub(crate) fn number<T: FromStr>(fields: &Fields, path: &str) -> Option<T> {
    fields.get(path)?.trim().parse().ok()
}

/// Degrees at a path; `None` unless they are on the globe.
pub(crate) fn degrees(fields: &Fields, path: &str, most: f64) -> Option<f64> {
    number::<f64>(fields, path).filter(|degrees| degrees.abs() <= most)
}

/// The most items of a list that are read: WeChat's longest has eight.
const ITEMS: usize = 100;

/// The items of a list, each with its values at these paths. An item is a line of
/// the first path, which every item has. Where another path has a different number of
/// lines nobody knows which belong together: it says nothing then.
pub(crate) fn items<const N: usize>(fields: &Fields, paths: [&str; N]) -> Vec<[Option<String>; N]> {
    let columns = paths.map(|path| {
        let lines = fields.get(path).map(|lines| lines.split('\n'));
        lines.into_iter().flatten().collect::<Vec<_>>()
    });
    let count = columns.first().map_or(0, Vec::len);
    (0..count.min(ITEMS))
        .map(|row| {
            columns.each_ref().map(|column| {
                let value = column.get(row).filter(|_| column.len() == count)?.trim();
                (!value.is_empty()).then(|| value.to_owned())
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(of: &[(&str, &str)]) -> Fields {
        let owned = |(path, value): &(&str, &str)| ((*path).to_owned(), (*value).to_owned());
        of.iter().map(owned).collect()
    }

    #[test]
    fn what_is_not_of_its_form_is_nothing() {
        let of = fields(&[
            ("a", " x "),
            ("b", " "),
            ("c", "12"),
            ("d", "91"),
            ("e", "NaN"),
        ]);
        assert_eq!(text(&of, "a").as_deref(), Some("x"));
        assert_eq!((text(&of, "b"), text(&of, "A")), (None, None));
        assert_eq!(any_case(&of, "A").as_deref(), Some("x"));
        assert_eq!((number(&of, "c"), number::<u8>(&of, "a")), (Some(12), None));
        assert_eq!(degrees(&of, "c", 90.0), Some(12.0));
        assert_eq!(
            (degrees(&of, "d", 90.0), degrees(&of, "e", 90.0)),
            (None, None)
        );
    }

    #[test]
    fn lines_that_cannot_be_told_apart_say_nothing() {
        let of = fields(&[("id", "a\nb"), ("state", "x\n"), ("scene", "2")]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            items(&of, ["id", "state", "scene"]),
            [[some("a"), some("x"), None], [some("b"), None, None]]
        );
        assert!(items(&of, ["none"]).is_empty());
        let many = fields(&[("id", &"\n".repeat(5_000))]);
        assert_eq!(items(&many, ["id"]).len(), ITEMS);
    }
}
