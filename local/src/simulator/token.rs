//! Access tokens: two isolated families, their lives and their ends.
//!
//! Invariant: a token of one family never ends one of the other.
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html>

use super::answer::{self, Fault};
use super::mint::Mint;
use super::quota::{Count, day};

const LIFE_MS: i64 = 7_200_000;
/// How long a replaced token still works, and how long before its end the
/// platform replaces a stable one.
const OVERLAP_MS: i64 = 300_000;
const FORCE_PAUSE_MS: i64 = 30_000;
const FORCED_A_DAY: u32 = 20;
/// How many ended tokens are remembered, to tell an expired one from a foreign one.
const KEPT: usize = 256;
const LENGTH: usize = 136;

/// The tokens of one account.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    classic: Vec<Token>,
    stable: Vec<Token>,
    forced: Count,
    forced_ms: Option<i64>,
}

impl Tokens {
    /// All that are known.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        let all = self.classic.iter().chain(&self.stable);
        all.map(|token| token.value.as_str())
    }
}

#[derive(Debug)]
struct Token {
    value: String,
    ends_ms: i64,
    /// It ended, or ends, because there is a later one.
    replaced: bool,
}

/// A token as the caller gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) value: String,
    pub(crate) expires_in: i64,
}

impl Tokens {
    /// `GET /cgi-bin/token`: always a new one; the one before ends in five minutes.
    pub(crate) fn classic(&mut self, now_ms: i64, mint: &mut Mint) -> Issued {
        replace(&mut self.classic, now_ms + OVERLAP_MS);
        issue(&mut self.classic, now_ms, mint)
    }

    /// `POST /cgi-bin/stable_token`: the current one, unless it ends soon or is
    /// replaced by `force`.
    pub(crate) fn stable(&mut self, now_ms: i64, force: bool, mint: &mut Mint) -> Issued {
        let current = self
            .stable
            .last()
            .filter(|token| token.ends_ms - now_ms > OVERLAP_MS)
            .map(|token| Issued {
                value: token.value.clone(),
                expires_in: (token.ends_ms - now_ms) / 1_000,
            });
        match current {
            Some(current) if !(force && self.may_force(now_ms)) => current,
            Some(_) => {
                replace(&mut self.stable, now_ms);
                issue(&mut self.stable, now_ms, mint)
            }
            // The one that is about to end keeps its five minutes.
            None => issue(&mut self.stable, now_ms, mint),
        }
    }

    /// Whether a call with this token is let in.
    pub(crate) fn check(&self, now_ms: i64, value: &str) -> Result<(), Fault> {
        match self.find(value) {
            Some(token) if now_ms < token.ends_ms => Ok(()),
            Some(token) if !token.replaced => Err(answer::TOKEN_EXPIRED),
            Some(_) | None => Err(answer::CREDENTIAL),
        }
    }

    pub(crate) fn knows(&self, value: &str) -> bool {
        self.find(value).is_some()
    }

    /// Ends every token at once, as another system of the same account does
    /// that forces a new one.
    pub(crate) fn end_all(&mut self, now_ms: i64) {
        replace(&mut self.classic, now_ms);
        replace(&mut self.stable, now_ms);
    }

    fn find(&self, value: &str) -> Option<&Token> {
        self.stable
            .iter()
            .chain(&self.classic)
            .find(|token| token.value == value)
    }

    fn may_force(&mut self, now_ms: i64) -> bool {
        let rested = self
            .forced_ms
            .is_none_or(|forced_ms| now_ms - forced_ms >= FORCE_PAUSE_MS);
        let may = rested && self.forced.take(day(now_ms), FORCED_A_DAY);
        if may {
            self.forced_ms = Some(now_ms);
        }
        may
    }
}

/// Whether this could be a token of ours at all.
pub(crate) fn well_formed(value: &str) -> bool {
    value.len() == LENGTH
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn replace(family: &mut [Token], ends_ms: i64) {
    for token in family.iter_mut().filter(|token| token.ends_ms > ends_ms) {
        token.ends_ms = ends_ms;
        token.replaced = true;
    }
}

fn issue(family: &mut Vec<Token>, now_ms: i64, mint: &mut Mint) -> Issued {
    let value = mint.letters(LENGTH);
    family.push(Token {
        value: value.clone(),
        ends_ms: now_ms + LIFE_MS,
        replaced: false,
    });
    if family.len() > KEPT {
        family.remove(0);
    }
    Issued {
        value,
        expires_in: LIFE_MS / 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::{Mint, Tokens, well_formed};

    const START: i64 = 1_700_000_000_000;

    fn code(tokens: &Tokens, now_ms: i64, value: &str) -> i64 {
        tokens
            .check(now_ms, value)
            .map_or_else(|fault| fault.code, |()| 0)
    }

    #[test]
    fn a_stable_token_stays_until_five_minutes_before_its_end() {
        let (mut tokens, mut mint) = (Tokens::default(), Mint::new("t"));
        let first = tokens.stable(START, false, &mut mint);
        assert!(well_formed(&first.value));
        assert_eq!(first.expires_in, 7_200);
        for (second, same, left) in [
            (1, true, 7_199),
            (6_855, true, 345),
            (6_899, true, 301),
            (6_900, false, 7_200),
        ] {
            let next = tokens.stable(START + second * 1_000, false, &mut mint);
            assert_eq!(
                (next.value == first.value, next.expires_in),
                (same, left),
                "after {second} s"
            );
        }
        assert_eq!(code(&tokens, START + 7_199_999, &first.value), 0);
        assert_eq!(code(&tokens, START + 7_200_000, &first.value), 42001);
    }

    #[test]
    fn force_ends_the_one_before_but_neither_soon_nor_often() {
        let (mut tokens, mut mint) = (Tokens::default(), Mint::new("t"));
        let mut now = START;
        let mut current = tokens.stable(now, true, &mut mint).value;
        for round in 0..20 {
            let forced = tokens.stable(now, true, &mut mint).value;
            assert_ne!(forced, current, "round {round}");
            assert_eq!(code(&tokens, now, &current), 40001);
            let soon = tokens.stable(now + 29_999, true, &mut mint);
            assert_eq!(soon.value, forced);
            current = forced;
            now += 30_000;
        }
        assert_eq!(tokens.stable(now, true, &mut mint).value, current);
        // At midnight in Beijing the count begins again.
        let midnight = (START / 86_400_000 + 1) * 86_400_000 + 57_600_000;
        let before = tokens.stable(midnight - 1, true, &mut mint).value;
        let after = tokens.stable(midnight, true, &mut mint).value;
        assert_ne!(before, after);
    }

    #[test]
    fn a_classic_token_gives_its_predecessor_five_minutes() {
        let (mut tokens, mut mint) = (Tokens::default(), Mint::new("t"));
        let first = tokens.classic(START, &mut mint).value;
        let second = tokens.classic(START, &mut mint).value;
        assert_ne!(first, second);
        for (ms, expected) in [(0, 0), (299_999, 0), (300_000, 40001)] {
            assert_eq!(code(&tokens, START + ms, &first), expected);
            assert_eq!(code(&tokens, START + ms, &second), 0);
        }
    }

    #[test]
    fn the_families_leave_each_other_alone() {
        let (mut tokens, mut mint) = (Tokens::default(), Mint::new("t"));
        let stable = tokens.stable(START, false, &mut mint).value;
        let classic = tokens.classic(START, &mut mint).value;
        tokens.classic(START, &mut mint);
        assert_eq!(code(&tokens, START + 300_000, &stable), 0);
        let forced = tokens.stable(START, true, &mut mint).value;
        assert_eq!(code(&tokens, START, &classic), 0);
        tokens.end_all(START + 1);
        for value in [&classic, &forced, &stable] {
            assert_eq!(code(&tokens, START + 1, value), 40001);
        }
        assert!(tokens.knows(&stable) && !tokens.knows("x"));
    }
}
