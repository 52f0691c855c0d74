//! How long a recording is.
//!
//! AMR: RFC 4867, section 5. MP3: frames of MPEG audio, layer III, ISO/IEC 11172-3 and 13818-3.

/// The bytes of a frame of narrow-band AMR behind its first one, by its type.
const AMR: [usize; 16] = [12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0];
/// The same of wide-band AMR.
const AMR_WB: [usize; 16] = [17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0];
/// Kilobits in a second of MPEG 1, layer III.
const RATES_1: [usize; 15] = [
    0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
];
/// The same of MPEG 2 and 2.5.
const RATES_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// How many seconds a recording lasts, begun ones counted; `None` if that cannot be told.
#[must_use]
pub fn voice_seconds(bytes: &[u8]) -> Option<u32> {
    let millis = if let Some(frames) = bytes.strip_prefix(b"#!AMR\n") {
        amr(frames, &AMR)
    } else if let Some(frames) = bytes.strip_prefix(b"#!AMR-WB\n") {
        amr(frames, &AMR_WB)
    } else {
        mp3(bytes)
    }?;
    u32::try_from(millis.div_ceil(1000)).ok()
}

/// Every frame is twenty milliseconds.
fn amr(mut frames: &[u8], sizes: &[usize; 16]) -> Option<u64> {
    let mut count = 0;
    while let Some((first, rest)) = frames.split_first() {
        let size = sizes.get(usize::from(first >> 3 & 15))?;
        frames = rest.get(*size..).unwrap_or_default();
        count += 1;
    }
    (count > 0).then_some(count * 20)
}

fn mp3(bytes: &[u8]) -> Option<u64> {
    let mut rest = behind_tag(bytes);
    let mut micros = 0;
    let mut frames = 0_u32;
    while let Some(frame) = Frame::read(rest) {
        micros += frame.micros;
        frames += 1;
        rest = rest.get(frame.size..).unwrap_or_default();
    }
    // One that looks like a frame may be chance.
    (frames > 1).then_some(micros / 1000)
}

/// What comes behind an ID3 tag, whose length is written in sevens of bits.
fn behind_tag(bytes: &[u8]) -> &[u8] {
    let [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] = bytes else {
        return bytes;
    };
    let size = [a, b, c, d]
        .into_iter()
        .fold(0, |size, byte| size << 7 | usize::from(byte & 127));
    bytes.get(size + 10..).unwrap_or_default()
}

struct Frame {
    size: usize,
    micros: u64,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [0xff, second, third, _, ..] = bytes else {
            return None;
        };
        if second >> 5 != 7 || second >> 1 & 3 != 1 {
            return None;
        }
        let first = match second >> 3 & 3 {
            3 => Some(1),
            2 => Some(2),
            0 => Some(4),
            _ => None,
        }?;
        let rates = if first == 1 { RATES_1 } else { RATES_2 };
        let rate = *rates
            .get(usize::from(third >> 4))
            .filter(|rate| **rate > 0)?
            * 1000;
        let frequency = *[44_100, 48_000, 32_000].get(usize::from(third >> 2 & 3))? / first;
        let samples = if first == 1 { 1152 } else { 576 };
        let size = samples / 8 * rate / frequency + usize::from(third >> 1 & 1);
        let micros = u64::try_from(samples * 1_000_000 / frequency).ok()?;
        Some(Self { size, micros })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn amr_of(frames: usize) -> Vec<u8> {
        let mut bytes = b"#!AMR\n".to_vec();
        for _ in 0..frames {
            bytes.push(0x3c);
            bytes.extend([0; 31]);
        }
        bytes
    }

    /// 128 kbit/s at 44,100: 417 bytes a frame, 26.122 ms.
    fn mp3_of(frames: usize) -> Vec<u8> {
        let mut bytes = b"ID3\x03\0\0\0\0\x01\x02".to_vec();
        bytes.extend([0; 130]);
        for _ in 0..frames {
            bytes.extend([0xff, 0xfb, 0x90, 0]);
            bytes.extend([0; 413]);
        }
        bytes
    }

    #[test]
    fn recordings_are_as_long_as_their_frames() {
        let check = |bytes: &[u8], expected| assert_eq!(voice_seconds(bytes), expected);
        check(&amr_of(50), Some(1));
        check(&amr_of(3_000), Some(60));
        check(&amr_of(3_001), Some(61));
        check(b"#!AMR-WB\n\x24", Some(1));
        check(b"#!AMR\n", None);
        check(&mp3_of(2_296), Some(60));
        check(&mp3_of(2_297), Some(61));
        check(b"RIFF", None);
        check(b"", None);
    }

    proptest! {
        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), head in 0..4_usize) {
            let heads = [&b"#!AMR\n"[..], b"#!AMR-WB\n", b"ID3\x03\0\0\0\0\0\0", b"\xff\xfb\x90\0"];
            let _ = voice_seconds(&[heads[head], &bytes].concat());
            let _ = voice_seconds(&bytes);
        }
    }
}
