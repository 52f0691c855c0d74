//! What customers and agents say: short things mostly, long ones now and then.
//!
//! The first line tells messages apart; what follows is filling.

/// How many messages in a hundred have at most so many bytes.
const SIZES: [(u64, usize); 4] = [(70, 60), (25, 300), (4, 1_000), (1, 2_000)];
const FILLING: [char; 8] = ['好', '的', '请', '问', ' ', 'a', '，', '1'];

/// The words that begin with this line: of so many bytes, or of one of [`SIZES`]
/// by the number.
pub(crate) fn words(line: &str, number: u64, bytes: Option<u16>) -> String {
    let mut left = number.wrapping_mul(37) % 100;
    let by_number = SIZES.iter().find_map(|(share, most)| {
        let fits = left < *share;
        left = left.saturating_sub(*share);
        fits.then_some(*most)
    });
    let most = bytes.map(usize::from).or(by_number).unwrap_or_default();
    let mut words = format!("{line}\n");
    let room = most.saturating_sub(words.len());
    let mut filled = 0;
    words.extend(FILLING.iter().cycle().take_while(|letter| {
        filled += letter.len_utf8();
        filled <= room
    }));
    words
}

/// The line that tells a message apart.
pub(crate) fn line(words: &str) -> &str {
    words.lines().next().unwrap_or_default()
}
