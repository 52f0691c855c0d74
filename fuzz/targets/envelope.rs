//! What the cipher of an envelope comes to, whatever it is: padding and lengths may lie.
#![no_main]

use aes::Aes256;
use aes::cipher::{Array, BlockModeEncrypt, KeyIvInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use magpie::wechat::crypto::{AesKey, decrypt, encrypt};

/// The key of 43 letters "a", as bytes.
fn raw() -> [u8; 32] {
    let mut key = [0; 32];
    for (index, byte) in key.iter_mut().enumerate() {
        *byte = [0x69, 0xa6, 0x9a][index % 3];
    }
    key
}

fuzz_target!(|data: &[u8]| {
    let key = AesKey::parse(&"a".repeat(43)).unwrap();
    let _ = decrypt(&key, &String::from_utf8_lossy(data));
    let mut blocks = data.to_vec();
    blocks.truncate(data.len() / 16 * 16);
    let (chunks, _) = Array::slice_as_chunks_mut(&mut blocks);
    let iv: [u8; 16] = raw()[..16].try_into().unwrap();
    cbc::Encryptor::<Aes256>::new(&raw().into(), &iv.into()).encrypt_blocks(chunks);
    if let Ok(opened) = decrypt(&key, &STANDARD.encode(&blocks)) {
        // What was opened was sealed with these very bytes.
        assert_eq!(&data[20..20 + opened.message.len()], opened.message);
        assert!(opened.message.len() + opened.app_id.len() + 21 <= blocks.len());
    }
    let sealed = encrypt(&key, [1; 16], data, "wx71c0e94fb8a25d36");
    assert_eq!(decrypt(&key, &sealed).unwrap().message, data);
});
