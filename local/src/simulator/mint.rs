//! Where the simulated WeChat takes what it would draw by lot.
//!
//! Invariant: everything is derived from the seed and a counter, so that the
//! same calls in the same order give the same answers, byte for byte.

use sha2::{Digest, Sha256};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A source of ids, tokens and nonces.
#[derive(Debug)]
pub(crate) struct Mint {
    seed: String,
    drawn: u64,
}

impl Mint {
    pub(crate) fn new(seed: &str) -> Self {
        Self {
            seed: seed.to_owned(),
            drawn: 0,
        }
    }

    /// Sixteen bytes, as the encryption of a push puts them in front.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(self.draw()) {
            *to = from;
        }
        bytes
    }

    /// `length` characters of the URL-safe base64 alphabet.
    pub(crate) fn letters(&mut self, length: usize) -> String {
        let mut letters = String::new();
        while letters.len() < length {
            let block = spell(&self.draw());
            letters.extend(block.chars().take(length - letters.len()));
        }
        letters
    }

    /// `length` decimal digits, at most 32, the first of which is not 0.
    pub(crate) fn digits(&mut self, length: usize) -> String {
        self.draw()
            .iter()
            .take(length)
            .enumerate()
            .map(|(at, byte)| char::from(b'0' + if at == 0 { 1 + byte % 9 } else { byte % 10 }))
            .collect()
    }

    /// `length` lower-case hexadecimal digits, at most 32.
    pub(crate) fn hex(&mut self, length: usize) -> String {
        self.draw()
            .iter()
            .take(length)
            .filter_map(|byte| char::from_digit(u32::from(byte % 16), 16))
            .collect()
    }

    /// The open id of the `index`th customer of an account: 28 characters. It
    /// takes nothing from the counter, so that a customer is the same one after
    /// a restart whatever happened before.
    pub(crate) fn open_id(&self, app_id: &str, index: usize) -> String {
        let digest = Sha256::new()
            .chain_update(&self.seed)
            .chain_update([0])
            .chain_update(app_id)
            .chain_update([0])
            .chain_update(index.to_be_bytes())
            .finalize();
        let letters = spell(&digest);
        std::iter::once('o')
            .chain(letters.chars().take(27))
            .collect()
    }

    /// The id of a medium: 64 characters. A restart begins the counter anew;
    /// the time keeps what was sent before it from meaning something else after.
    pub(crate) fn media_id(&mut self, now_ms: i64) -> String {
        let mut half = || {
            let drawn = Sha256::new()
                .chain_update(self.draw())
                .chain_update(now_ms.to_be_bytes());
            spell(&drawn.finalize())
        };
        half() + &half()
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        Sha256::new()
            .chain_update(&self.seed)
            .chain_update([1])
            .chain_update(self.drawn.to_be_bytes())
            .finalize()
            .into()
    }
}

fn spell(bytes: &[u8]) -> String {
    bytes
        .iter()
        .filter_map(|byte| LETTERS.get(usize::from(byte % 64)))
        .map(|letter| char::from(*letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Mint;

    #[test]
    fn the_same_seed_draws_the_same() {
        let (mut one, mut two, mut other) = (Mint::new("a"), Mint::new("a"), Mint::new("b"));
        for length in [1, 9, 32, 136] {
            let letters = one.letters(length);
            assert_eq!(letters.len(), length);
            assert_eq!(letters, two.letters(length));
            assert_ne!(one.letters(28), other.letters(28));
            two.letters(28);
        }
        assert_eq!(one.digits(9).len(), 9);
        assert_eq!(one.hex(8).len(), 8);
    }

    #[test]
    fn a_media_id_depends_on_the_time_too() {
        let (mut one, mut two, mut later) = (Mint::new("a"), Mint::new("a"), Mint::new("a"));
        let first = one.media_id(1);
        assert_eq!(first.len(), 64);
        assert_eq!(first, two.media_id(1));
        assert_ne!(first, later.media_id(2));
        assert_ne!(first, one.media_id(1));
    }

    #[test]
    fn an_open_id_depends_on_seed_account_and_index_only() {
        let mut mint = Mint::new("a");
        let first = mint.open_id("wx1", 0);
        mint.bytes();
        assert_eq!(first, mint.open_id("wx1", 0));
        assert_eq!(first.len(), 28);
        assert_ne!(first, mint.open_id("wx1", 1));
        assert_ne!(first, mint.open_id("wx2", 0));
        assert_ne!(first, Mint::new("b").open_id("wx1", 0));
    }
}
