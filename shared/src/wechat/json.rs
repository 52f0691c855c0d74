//! The JSON that mini-programs push: from a document to the texts of its elements.
//!
//! Invariant: nothing is kept of a document that XML would be refused for: too deep,
//! too many elements, names that would make it swell. A name that stands twice is kept
//! twice, as in XML, and so is each item of an array.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::document::{Leaves, MAX_DEPTH, MAX_ELEMENTS, MAX_PATHS, Unreadable};

/// Reads a document into its leaves, in its order.
pub(super) fn leaves(document: &[u8]) -> Result<Leaves, Unreadable> {
    let text = std::str::from_utf8(document).map_err(|_| Unreadable::Encoding)?;
    let mut tree = Tree::default();
    let refused = Cell::new(None);
    let root = Element {
        tree: &mut tree,
        refused: &refused,
        path: String::new(),
        depth: 0,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = root.deserialize(&mut json).and_then(|()| json.end());
    match read {
        Ok(()) => Ok(tree.leaves),
        Err(error) => Err(refused.take().unwrap_or_else(|| syntax(text, &error))),
    }
}

/// Where the document is not well-formed: the parser's words would quote it.
fn syntax(text: &str, error: &serde_json::Error) -> Unreadable {
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let before: usize = lines.map(str::len).sum();
    let at = match error.classify() {
        Category::Eof => text.len(),
        Category::Io | Category::Syntax | Category::Data => before + error.column(),
    };
    Unreadable::Syntax {
        at: u64::try_from(at).unwrap_or(u64::MAX),
    }
}

/// The document as far as it was read.
#[derive(Default)]
struct Tree {
    elements: usize,
    paths: usize,
    leaves: Leaves,
}

/// One value of the document.
struct Element<'a> {
    tree: &'a mut Tree,
    /// Why a value was refused, where it was not the parser that did.
    refused: &'a Cell<Option<Unreadable>>,
    path: String,
    depth: usize,
}

impl Element<'_> {
    fn leaf<E: serde::de::Error>(self, text: String) -> Result<(), E> {
        if self.depth == 0 {
            self.refused.set(Some(Unreadable::Syntax { at: 0 }));
            return Err(E::custom("no object"));
        }
        self.tree.leaves.push((self.path, text));
        Ok(())
    }

    /// The value of one name, or of one item where `name` is `None`.
    fn child<E: serde::de::Error>(&mut self, name: Option<&str>) -> Result<Element<'_>, E> {
        let path = match name {
            None => self.path.clone(),
            Some(name) if self.path.is_empty() => name.to_owned(),
            Some(name) => format!("{}.{name}", self.path),
        };
        self.tree.elements += 1;
        self.tree.paths = self.tree.paths.saturating_add(path.len());
        let refused = if self.depth + 1 >= MAX_DEPTH {
            Some(Unreadable::TooDeep)
        } else if self.tree.elements >= MAX_ELEMENTS {
            Some(Unreadable::TooMany)
        } else if self.tree.paths > MAX_PATHS {
            Some(Unreadable::TooLong)
        } else {
            None
        };
        if refused.is_some() {
            self.refused.set(refused);
            return Err(E::custom("too much"));
        }
        Ok(Element {
            tree: &mut *self.tree,
            refused: self.refused,
            path,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Element<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.leaf(value.to_owned())
    }

    /// As an empty element.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.leaf(String::new())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            let value = self.child(Some(&name))?;
            map.next_value_seed(value)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        if self.depth == 0 {
            self.refused.set(Some(Unreadable::Syntax { at: 0 }));
            return Err(A::Error::custom("no object"));
        }
        while items.next_element_seed(self.child(None)?)?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<(String, String)>, Unreadable> {
        leaves(json.as_bytes())
    }

    #[test]
    fn json_comes_to_the_leaves_that_xml_comes_to() {
        let xml = "<xml><MsgType>text</MsgType><MsgId>18446744073709551615</MsgId><A><B>1</B><B>2</B>\
                   <C><D/></C></A><On>true</On><X>31.2</X></xml>";
        let json = r#"{"MsgType":"text","MsgId":18446744073709551615,"A":{"B":[1,"2"],
            "C":{"D":null}},"On":true,"X":31.2}"#;
        assert_eq!(
            read(json).unwrap(),
            super::super::xml::leaves(xml.as_bytes()).unwrap()
        );
        // A list of objects, and one object in its place.
        let one = r#"{"L":{"a":"1"}}"#;
        let many = r#"{"L":[{"a":"1"},{"a":"2"}]}"#;
        assert_eq!(read(one).unwrap(), [("L.a".into(), "1".into())]);
        assert_eq!(read(many).unwrap().len(), 2);
        assert_eq!(read(r#"{"a":1,"a":2}"#).unwrap().len(), 2);
        assert_eq!(read("{}").unwrap(), []);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let deep = |levels| format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert!(read(&deep(MAX_DEPTH - 1)).is_ok());
        assert_eq!(read(&deep(MAX_DEPTH)), Err(Unreadable::TooDeep));
        assert_eq!(read(&deep(5_000)), Err(Unreadable::TooDeep));
        let many = |items: usize| format!(r#"{{"a":[{}1]}}"#, "1,".repeat(items));
        assert!(read(&many(400)).is_ok());
        assert_eq!(read(&many(MAX_ELEMENTS)), Err(Unreadable::TooMany));
        let name = "n".repeat(MAX_PATHS / 4);
        let long = format!(r#"{{"{name}":{{"a":[1,2,3,4,5]}}}}"#);
        assert_eq!(read(&long), Err(Unreadable::TooLong));
    }

    #[test]
    fn nothing_of_a_broken_document_is_quoted() {
        for (json, at) in [("{", 1), ("{\"a\":\n秘密}", 7), ("[1]", 0), ("{} x", 4)] {
            assert_eq!(read(json), Err(Unreadable::Syntax { at }), "{json}");
        }
        assert_eq!(leaves(b"{\"a\":\"\xff\"}"), Err(Unreadable::Encoding));
        assert_eq!(
            read(r#"{"a":"\ud800"}"#),
            Err(Unreadable::Syntax { at: 13 })
        );
    }
}
