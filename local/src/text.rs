//! Random bytes as text.

/// Lower-case hexadecimal digits, two to a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Letters and digits, one to a byte.
pub(crate) fn letters(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte % 62 {
            digit @ 0..10 => b'0' + digit,
            upper @ 10..36 => b'A' + upper - 10,
            lower => b'a' + lower - 36,
        })
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_text() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
        assert_eq!(letters(&[0, 9, 10, 35, 36, 61, 62]), "09AZaz0");
    }
}
