//! A push as a document: XML, as WeChat sends it to Official Accounts, or JSON, as
//! mini-programs may choose. Both are read into the texts of their elements.
//!
//! Invariant: a JSON document comes to the same leaves as the XML one that says the
//! same; but an empty object or list is no leaf, as an empty element is. Protocol:
//! <https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html>

use super::{json, xml};

/// How deep elements may nest. WeChat's deepest push has five levels.
pub(super) const MAX_DEPTH: usize = 16;
/// How many elements there may be. WeChat's longest push has about 150.
pub(super) const MAX_ELEMENTS: usize = 512;
/// How many bytes the paths of all elements may have together. They repeat the
/// names of their ancestors, so a hostile document could swell; WeChat's longest
/// push needs about six thousand.
pub(super) const MAX_PATHS: usize = 128 * 1024;

/// What some writers begin UTF-8 with.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Why a document is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unreadable {
    /// It is not UTF-8.
    #[error("the document is not UTF-8")]
    Encoding,
    /// It is not well-formed. The parser's own words quote the document, so
    /// they are left out.
    #[error("the document is not well-formed at byte {at}")]
    Syntax {
        /// Where.
        at: u64,
    },
    /// It declares a document type.
    #[error("the document has a DTD")]
    Dtd,
    /// It uses an entity that XML does not define.
    #[error("the document uses an entity of its own")]
    Entity,
    /// It nests too deep.
    #[error("the document nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// It has too many elements.
    #[error("the document has more than {MAX_ELEMENTS} elements")]
    TooMany,
    /// Its elements' names are too long for their depth.
    #[error("the paths of the document's elements have more than {MAX_PATHS} bytes")]
    TooLong,
}

/// The elements without children: path below the root, and text.
pub(super) type Leaves = Vec<(String, String)>;

/// Takes the first leaf of this path, and the others of the same path away.
pub(super) fn take(leaves: &mut Leaves, path: &str) -> Option<String> {
    let mut taken = leaves.extract_if(.., |(leaf, _)| leaf == path);
    let (_, value) = taken.next()?;
    taken.for_each(drop);
    Some(value)
}

/// Reads a document into its leaves, in its order.
pub(super) fn leaves(document: &[u8]) -> Result<Leaves, Unreadable> {
    let document = bare(document);
    if is_json(document) {
        json::leaves(document)
    } else {
        xml::leaves(document)
    }
}

/// Whether a document is meant as JSON: no XML begins with a brace.
pub(crate) fn is_json(document: &[u8]) -> bool {
    bare(document).first() == Some(&b'{')
}

fn bare(document: &[u8]) -> &[u8] {
    document.strip_prefix(BOM).unwrap_or(document).trim_ascii()
}
