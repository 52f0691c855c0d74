//! WeChat's signature and its encryption of pushes: AES-256-CBC with a padding
//! of its own, and a SHA-1 over sorted strings.
//!
//! Invariant: hostile bytes give an error, never a panic, and no error shows
//! what was sent. Protocol:
//! <https://developers.weixin.qq.com/doc/oplatform/developers/dev/push/encryption>

use std::fmt;

use aes::Aes256;
use aes::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq as _;

/// The last of a key's 43 characters holds two bits more than 32 bytes need,
/// and WeChat's console fills them at random; strict decoders refuse that.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The random bytes that stand before the length.
pub const RANDOM: usize = 16;
/// WeChat pads to 32 bytes although the cipher's block has 16, so a pad of 17
/// to 32 bytes is right and libraries refuse it.
const PAD: usize = 32;

/// The AES key of a channel.
#[derive(Clone, PartialEq, Eq)]
pub struct AesKey([u8; 32]);

impl AesKey {
    /// The length of an `EncodingAESKey`, in characters.
    pub const CHARACTERS: usize = 43;

    /// Reads an `EncodingAESKey` as it is pasted from WeChat's console: blanks
    /// around it are ignored.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let characters = text.chars().count();
        if characters != Self::CHARACTERS {
            return Err(KeyError::Length { characters });
        }
        let bytes = LENIENT.decode(text).map_err(|_| KeyError::Alphabet)?;
        let key = bytes.try_into().map_err(|_| KeyError::Alphabet)?;
        Ok(Self(key))
    }

    fn iv(&self) -> [u8; 16] {
        let [iv @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        iv
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AesKey(…)")
    }
}

/// Why a text is no `EncodingAESKey`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is not 43 characters long.
    #[error("an EncodingAESKey has 43 characters, this has {characters}")]
    Length {
        /// The characters of the text, without blanks around it.
        characters: usize,
    },
    /// It has a character that no `EncodingAESKey` has.
    #[error("an EncodingAESKey consists of A-Z, a-z and 0-9")]
    Alphabet,
}

/// What was inside an envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The message, in practice UTF-8; it is the parser that decides.
    pub message: Vec<u8>,
    /// The app id of the account that it is meant for. It is authentic only
    /// together with the comparison with ours.
    pub app_id: String,
}

/// Shows sizes alone: what people write is in nobody's log.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({} bytes)", self.message.len())
    }
}

/// Why an envelope does not open. It says nothing of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The text is not base64.
    #[error("the envelope is not base64")]
    Base64,
    /// The cipher text is empty or not a whole number of blocks.
    #[error("the envelope is not a whole number of cipher blocks")]
    Blocks,
    /// The padding is wrong: in practice another key.
    #[error("the envelope was closed with another key")]
    Padding,
    /// The length or the app id is impossible.
    #[error("the envelope's frame is broken")]
    Frame,
}

/// Opens an envelope. White space in the base64 text is ignored.
pub fn decrypt(key: &AesKey, base64: &str) -> Result<Opened, CryptoError> {
    let mut bytes = decode(base64).map_err(|_| CryptoError::Base64)?;
    let (blocks, rest) = Array::slice_as_chunks_mut(&mut bytes);
    if blocks.is_empty() || !rest.is_empty() {
        return Err(CryptoError::Blocks);
    }
    cbc::Decryptor::<Aes256>::new(&key.0.into(), &key.iv().into()).decrypt_blocks(blocks);
    unframe(unpad(&bytes)?)
}

/// Decodes base64 text. WeChat sends it in one piece, so that white space is
/// looked for only where the text is none as it stands.
fn decode(base64: &str) -> Result<Vec<u8>, DecodeError> {
    LENIENT.decode(base64).or_else(|_| {
        let bare: Vec<u8> = base64
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        LENIENT.decode(bare)
    })
}

/// Takes the padding off: `n` bytes of value `n`, 1 to 32 of them.
fn unpad(bytes: &[u8]) -> Result<&[u8], CryptoError> {
    let last = bytes.last().copied().unwrap_or_default();
    let n = usize::from(last);
    let (content, pad) = bytes
        .len()
        .checked_sub(n)
        .and_then(|at| bytes.split_at_checked(at))
        .ok_or(CryptoError::Padding)?;
    if (1..=PAD).contains(&n) && pad.iter().all(|b| *b == last) {
        Ok(content)
    } else {
        Err(CryptoError::Padding)
    }
}

/// Takes apart random bytes, length in bytes, message and app id.
fn unframe(bytes: &[u8]) -> Result<Opened, CryptoError> {
    let (_, bytes) = bytes.split_at_checked(RANDOM).ok_or(CryptoError::Frame)?;
    let (length, bytes) = bytes.split_first_chunk().ok_or(CryptoError::Frame)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CryptoError::Frame)?;
    let (message, app_id) = bytes.split_at_checked(length).ok_or(CryptoError::Frame)?;
    Ok(Opened {
        message: message.to_vec(),
        app_id: String::from_utf8(app_id.to_vec()).map_err(|_| CryptoError::Frame)?,
    })
}

/// Closes an envelope, as WeChat does for a push and expects of a reply.
#[must_use]
pub fn encrypt(key: &AesKey, random: [u8; RANDOM], message: &[u8], app_id: &str) -> String {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut bytes = random.to_vec();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(message);
    bytes.extend_from_slice(app_id.as_bytes());
    let n = PAD - bytes.len() % PAD;
    bytes.resize(bytes.len() + n, u8::try_from(n).unwrap_or_default());
    let (blocks, _) = Array::slice_as_chunks_mut(&mut bytes);
    cbc::Encryptor::<Aes256>::new(&key.0.into(), &key.iv().into()).encrypt_blocks(blocks);
    LENIENT.encode(bytes)
}

/// WeChat's signature: SHA-1 over the strings in byte order without a
/// separator, in lower-case hexadecimal digits.
#[must_use]
pub fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16));
    hash.finalize().iter().flat_map(digits).flatten().collect()
}

/// Compares in a time that does not depend on where two texts differ.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

#[cfg(test)]
mod tests {

    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "iawKrZv6sIOEzwGmyvuPySGuVt1M3fITDV+n3iJ9VG8";
    /// The same 32 bytes, without and with the two bits that are left over.
    const CANONICAL: &str = "sbjtfwuhXcNZUujbhJ2so7heP2wQTkZW+2EznSiTrgo";
    const TRAILING: &str = "sbjtfwuhXcNZUujbhJ2so7heP2wQTkZW+2EznSiTrgr";
    const APP: &str = "wx71c0e94fb8a25d36";
    const RANDOM_BYTES: [u8; 16] = *b"0123456789abcdef";

    /// Key, message, its padding and its envelope, closed by another
    /// implementation of the cipher.
    const VECTORS: &[(&str, &str, u8, &str)] = &[
        (
            KEY,
            "",
            26,
            "x6uQQXGFF7n71ZNN9+0iO1xfrEPCJp0wwcBOCUjbDA4F2UORuytBUrTU8+U14QnAKLXIkTnKVsVEZPNL\
             qkDojQ==",
        ),
        (
            KEY,
            "<xml><Content><![CDATA[你好]]></Content></xml>",
            10,
            "x6uQQXGFF7n71ZNN9+0iO7y7NsjkUPzWQNtM6jmnGG3oem4IJsGdYPzfqT+4mP3fs11ggvWdsrEsPiRW\
             PlHeSo4X4KMo59diHLBJKHCnvQ5gv0qLGs/bPUnI2ndt9OCG",
        ),
        (
            KEY,
            "xxxxxxxxxxxxxxxxxxxxxxxxxx",
            32,
            "x6uQQXGFF7n71ZNN9+0iO9uINUazI6cKwoSnz2tb/cSRsbjap+eL+vLaKaHeWbXm3mM+2NyWTiQsV9od\
             Gc6aT/LqbOtvGWhvyu0WKJItZFyuR/uc3rWcOWGmsgqtgVAc",
        ),
        (
            TRAILING,
            "鹊鹊鹊",
            17,
            "xNj2WC5tzkzVQxGeoNkL7w6nv6mhP2HPTmyDzb+dpB1hCnzEVfCZ0563cDg0Mq0MuBcXgjhM/ugJq0Db\
             DBKggA==",
        ),
    ];

    #[test]
    fn envelopes_of_another_implementation_open_and_ours_are_the_same() {
        for (key, message, pad, envelope) in VECTORS {
            let key = AesKey::parse(key).unwrap();
            let opened = decrypt(&key, envelope).unwrap();
            assert_eq!(opened.message, message.as_bytes(), "padding {pad}");
            assert_eq!(opened.app_id, APP);
            assert_eq!(
                encrypt(&key, RANDOM_BYTES, message.as_bytes(), APP),
                *envelope
            );
            let content = 16 + 4 + message.len() + APP.len();
            assert_eq!(usize::from(*pad), 32 - content % 32);
        }
    }

    #[test]
    fn keys_are_read_as_pasted() {
        let check = |text: &str, expected| assert_eq!(AesKey::parse(text).map(|_| ()), expected);
        check(KEY, Ok(()));
        check(&format!(" {TRAILING}\n"), Ok(()));
        assert!(AesKey::parse(TRAILING) == AesKey::parse(CANONICAL));
        let length = |characters| Err(KeyError::Length { characters });
        check("", length(0));
        check(&KEY.replacen('i', "", 1), length(42));
        check(&format!("{KEY}="), length(44));
        check(&"鹊".repeat(43), Err(KeyError::Alphabet));
        check(
            &format!("{}=", KEY.replacen('i', "", 1)),
            Err(KeyError::Alphabet),
        );
        check(&KEY.replace('w', " "), Err(KeyError::Alphabet));
        assert_eq!(format!("{:?}", AesKey::parse(KEY).unwrap()), "AesKey(…)");
    }

    #[test]
    fn white_space_in_an_envelope_is_ignored() {
        let key = AesKey::parse(KEY).unwrap();
        let text = encrypt(&key, RANDOM_BYTES, b"hello", APP);
        let (head, tail) = text.split_at(30);
        let opened = decrypt(&key, &format!("\n {head}\r\n\t{tail} ")).unwrap();
        assert_eq!(opened.message, b"hello");
    }

    /// Closes what is not framed as it has to be.
    fn closed(key: &AesKey, mut bytes: Vec<u8>) -> String {
        let (blocks, rest) = Array::slice_as_chunks_mut(&mut bytes);
        assert!(rest.is_empty());
        cbc::Encryptor::<Aes256>::new(&key.0.into(), &key.iv().into()).encrypt_blocks(blocks);
        LENIENT.encode(bytes)
    }

    #[test]
    fn broken_envelopes_are_told_apart() {
        let key = AesKey::parse(KEY).unwrap();
        let check = |text: &str, expected| {
            assert_eq!(decrypt(&key, text).map(|_| ()), Err(expected), "{text}");
        };
        check("", CryptoError::Blocks);
        check("!", CryptoError::Base64);
        check("YWJj", CryptoError::Blocks);
        check(&closed(&key, vec![0; 32]), CryptoError::Padding);
        check(&closed(&key, vec![33; 48]), CryptoError::Padding);
        check(&closed(&key, vec![32; 16]), CryptoError::Padding);
        check(&closed(&key, vec![32; 32]), CryptoError::Frame);
        let mut unequal = vec![0; 32];
        unequal.extend([7; 25]);
        unequal.extend([6, 7, 7, 7, 7, 7, 7]);
        check(&closed(&key, unequal), CryptoError::Padding);
        let framed = |length: u32, app_id: &[u8]| {
            let mut bytes = vec![0; 16];
            bytes.extend(length.to_be_bytes());
            bytes.extend(app_id);
            let n = 32 - bytes.len() % 32;
            bytes.resize(bytes.len() + n, u8::try_from(n).unwrap());
            closed(&key, bytes)
        };
        check(&framed(u32::MAX, b"wx"), CryptoError::Frame);
        check(&framed(3, b"wx"), CryptoError::Frame);
        check(&framed(0, &[0xff]), CryptoError::Frame);
        assert_eq!(decrypt(&key, &framed(2, b"wx")).unwrap().app_id, "");
        let other = AesKey::parse(TRAILING).unwrap();
        check(
            &encrypt(&other, RANDOM_BYTES, b"hello", APP),
            CryptoError::Padding,
        );
    }

    #[test]
    fn signatures_sort_by_byte_and_compare_whole() {
        // SHA-1 of "17489216004157kestrel".
        let expected = "968768deb85a83ff0f8709f082057a674c9a5b76";
        assert_eq!(signature(&["kestrel", "1748921600", "4157"]), expected);
        assert_eq!(signature(&["4157", "kestrel", "1748921600"]), expected);
        // Capitals sort before small letters.
        assert_eq!(signature(&["a", "B"]), signature(&["Ba"]));
        assert!(same(expected, expected));
        assert!(!same(expected, &expected.to_uppercase()));
        assert!(!same(expected, "") && !same("", expected));
    }

    proptest! {
        #[test]
        fn what_is_closed_opens(
            message in proptest::collection::vec(any::<u8>(), 0..100),
            random: [u8; 16],
            app_id in "[a-z0-9]{0,40}",
        ) {
            let key = AesKey::parse(TRAILING).unwrap();
            let opened = decrypt(&key, &encrypt(&key, random, &message, &app_id)).unwrap();
            prop_assert_eq!(opened.message, message);
            prop_assert_eq!(opened.app_id, app_id);
        }

        #[test]
        fn hostile_envelopes_never_panic(
            text in ".{0,200}",
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let key = AesKey::parse(KEY).unwrap();
            let _ = decrypt(&key, &text);
            let _ = decrypt(&key, &LENIENT.encode(bytes));
            let _ = AesKey::parse(&text);
        }
    }

    #[test]
    fn every_length_opens() {
        let key = AesKey::parse(KEY).unwrap();
        for length in 0..100 {
            let message = vec![b'm'; length];
            let opened = decrypt(&key, &encrypt(&key, RANDOM_BYTES, &message, APP)).unwrap();
            assert_eq!(opened.message, message);
        }
    }
}
