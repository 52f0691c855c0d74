//! An object of a menu, read strictly: a field that nobody has asked for is a flaw.

use serde_json::{Map, Value};

use super::Flaw;

/// How much of a name that a caller made up is repeated, in characters.
const NAME_SHOWN: usize = 64;

/// The fields of one object that nobody has read yet.
pub(super) struct Object {
    /// What stands before the names of its fields.
    place: String,
    left: Map<String, Value>,
    flaws: Vec<Flaw>,
}

impl Object {
    /// An object at this place; empty, or with a dot at its end.
    pub(super) fn new(place: String, left: Map<String, Value>) -> Self {
        Self {
            place,
            left,
            flaws: Vec::new(),
        }
    }

    /// Notes a flaw of a field.
    pub(super) fn flaw(&mut self, name: &str, zh: &'static str, en: &'static str) {
        let place = format!("{}{name}", self.place);
        self.flaws.push(Flaw { place, zh, en });
    }

    /// Whether a field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Whether something was noted.
    pub(super) fn is_flawed(&self) -> bool {
        !self.flaws.is_empty()
    }

    /// A text that has to be there and to fit. `None` is noted.
    pub(super) fn text(
        &mut self,
        name: &str,
        fits: impl FnOnce(&str) -> bool,
        zh: &'static str,
        en: &'static str,
    ) -> Option<String> {
        if !self.has(name) {
            self.flaw(name, "缺少此字段", "it is missing");
            return None;
        }
        self.maybe_text(name, fits, zh, en)
    }

    /// The same of a text that may be absent.
    pub(super) fn maybe_text(
        &mut self,
        name: &str,
        fits: impl FnOnce(&str) -> bool,
        zh: &'static str,
        en: &'static str,
    ) -> Option<String> {
        match self.left.remove(name)? {
            Value::String(text) if fits(&text) => Some(text),
            _ => {
                self.flaw(name, zh, en);
                None
            }
        }
    }

    /// An object that has to be there; it comes back by [`Self::close`]. `None` is noted.
    pub(super) fn object(&mut self, name: &str) -> Option<Self> {
        match self.left.remove(name) {
            Some(Value::Object(left)) => Some(Self::new(format!("{}{name}.", self.place), left)),
            None => {
                self.flaw(name, "缺少此字段", "it is missing");
                None
            }
            Some(_) => {
                self.flaw(name, "应为对象", "it must be an object");
                None
            }
        }
    }

    /// A list of objects that has to be there; they come back by [`Self::close`]. `None`
    /// is noted.
    pub(super) fn objects(&mut self, name: &str) -> Option<Vec<Self>> {
        let values = match self.left.remove(name) {
            Some(Value::Array(values)) => values,
            None => {
                self.flaw(name, "缺少此字段", "it is missing");
                return None;
            }
            Some(_) => {
                self.flaw(name, "应为列表", "it must be a list");
                return None;
            }
        };
        let mut objects = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            let Value::Object(left) = value else {
                let one = format!("{name}[{at}]");
                self.flaw(&one, "应为对象", "it must be an object");
                return None;
            };
            objects.push(Self::new(format!("{}{name}[{at}].", self.place), left));
        }
        Some(objects)
    }

    /// Leaves all fields unread: nobody can say whether they are right.
    pub(super) fn pass_over_all(&mut self) {
        self.left.clear();
    }

    /// Takes over the flaws of an object of this one.
    pub(super) fn close(&mut self, object: Self) {
        self.flaws.extend(object.end());
    }

    /// All flaws, once nothing more is read.
    pub(super) fn end(mut self) -> Vec<Flaw> {
        for name in self.left.keys() {
            let shown: String = name.chars().take(NAME_SHOWN).collect();
            self.flaws.push(Flaw {
                place: format!("{}{shown}", self.place),
                zh: "未知字段",
                en: "there is no such field",
            });
        }
        self.flaws
    }
}
