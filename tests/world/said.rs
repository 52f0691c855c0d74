//! What `magpie doctor` said.

#![allow(dead_code, reason = "every target looks at its own part")]

/// Its exit code and its lines.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) text: String,
}

impl Said {
    pub(crate) fn new((code, text): (i32, String)) -> Said {
        Said { code, text }
    }

    /// Everything is right, and it says so.
    pub(crate) fn all_right(&self) {
        assert_eq!(self.code, 0, "{}", self.text);
        assert!(self.text.contains("checks are right"), "{}", self.text);
    }

    /// The lines that say what to do.
    pub(crate) fn failures(&self) -> Vec<&str> {
        let lines = self.text.lines();
        lines.filter(|line| line.starts_with("FAIL")).collect()
    }

    /// A line about this thing says this, and that it is right or not; the exit code
    /// says the same.
    #[track_caller]
    pub(crate) fn finds(&self, thing: &str, right: bool, words: &str) {
        let verdict = if right { "ok  " } else { "FAIL" };
        let begins = format!("{verdict}  {thing}: ");
        let line = self.text.lines().find(|line| line.starts_with(&begins));
        let says = line.is_some_and(|line| line.contains(words));
        assert!(says, "{begins}…{words}… in\n{}", self.text);
        assert!(right || self.code == 1, "{}", self.code);
    }
}
