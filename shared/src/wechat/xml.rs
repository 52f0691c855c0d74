//! WeChat's XML: from a document to the texts of its elements.
//!
//! Invariant: nothing is expanded or followed. A document with a DTD, with
//! entities of its own, too deep, with too many elements or with names that
//! would make it swell is refused.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::{Error, Reader};

use super::document::{Leaves, MAX_DEPTH, MAX_ELEMENTS, MAX_PATHS, Unreadable};

/// Reads a document into its leaves, in its order.
pub(super) fn leaves(xml: &[u8]) -> Result<Leaves, Unreadable> {
    // The reader checks that each piece is UTF-8: once is enough.
    let mut reader = Reader::from_reader(xml);
    let mut tree = Tree::default();
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        match event.map_err(|error| unreadable(&error, at))? {
            Event::Start(tag) => tree.open(tag.name().0, at)?,
            Event::Empty(tag) => {
                tree.open(tag.name().0, at)?;
                tree.close(at)?;
            }
            Event::End(_) => tree.close(at)?,
            Event::Text(text) => tree.text(&text.into_inner(), at)?,
            Event::GeneralRef(name) => tree.text(&resolve(&name)?, at)?,
            Event::CData(text) => tree.cdata(&text.into_inner(), at)?,
            Event::DocType(_) => return Err(Unreadable::Dtd),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => return tree.finish(at),
        }
    }
}

fn unreadable(error: &Error, at: u64) -> Unreadable {
    match error {
        Error::Encoding(_) => Unreadable::Encoding,
        _ => Unreadable::Syntax { at },
    }
}

/// What a reference stands for: a character by number or one of XML's five.
fn resolve(name: &BytesRef<'_>) -> Result<String, Unreadable> {
    match name.resolve_char_ref() {
        Ok(Some(character)) => Ok(character.to_string()),
        Ok(None) => resolve_predefined_entity(name)
            .map(str::to_owned)
            .ok_or(Unreadable::Entity),
        Err(_) => Err(Unreadable::Entity),
    }
}

/// The document as far as it was read.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    elements: usize,
    paths: usize,
    leaves: Leaves,
}

/// An element that is not closed yet.
struct Element {
    path: String,
    text: String,
    /// Beside CDATA, white space is only the document's layout.
    cdata: bool,
    parent: bool,
}

impl Tree {
    fn open(&mut self, name: &str, at: u64) -> Result<(), Unreadable> {
        if self.open.len() == MAX_DEPTH {
            return Err(Unreadable::TooDeep);
        }
        if self.elements == MAX_ELEMENTS {
            return Err(Unreadable::TooMany);
        }
        let path = match self.open.last_mut() {
            None if self.elements > 0 => return Err(Unreadable::Syntax { at }),
            // The root's name is in no path.
            None => String::new(),
            Some(parent) => {
                parent.parent = true;
                if parent.path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{}.{name}", parent.path)
                }
            }
        };
        self.elements += 1;
        self.paths = self.paths.saturating_add(path.len());
        if self.paths > MAX_PATHS {
            return Err(Unreadable::TooLong);
        }
        self.open.push(Element {
            path,
            text: String::new(),
            cdata: false,
            parent: false,
        });
        Ok(())
    }

    fn close(&mut self, at: u64) -> Result<(), Unreadable> {
        let element = self.open.pop().ok_or(Unreadable::Syntax { at })?;
        if !element.parent && !self.open.is_empty() {
            self.leaves.push((element.path, element.text));
        }
        Ok(())
    }

    fn text(&mut self, text: &str, at: u64) -> Result<(), Unreadable> {
        let blank = text.trim().is_empty();
        match self.open.last_mut() {
            Some(element) if blank && element.cdata => {}
            Some(element) => element.text.push_str(text),
            None if blank => {}
            None => return Err(Unreadable::Syntax { at }),
        }
        Ok(())
    }

    fn cdata(&mut self, text: &str, at: u64) -> Result<(), Unreadable> {
        let element = self.open.last_mut().ok_or(Unreadable::Syntax { at })?;
        if !element.cdata && element.text.trim().is_empty() {
            element.text.clear();
        }
        element.cdata = true;
        element.text.push_str(text);
        Ok(())
    }

    fn finish(self, at: u64) -> Result<Leaves, Unreadable> {
        if self.open.is_empty() && self.elements > 0 {
            Ok(self.leaves)
        } else {
            Err(Unreadable::Syntax { at })
        }
    }
}
