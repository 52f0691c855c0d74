//! The file of a backup: a tar archive as every `tar` reads it, so that what is
//! in it can be had without Magpie too.
//! <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html>
//!
//! Invariant: it is read as strictly as it is written. A header is taken only if
//! it is byte for byte the one that we would write, so that it can carry no path,
//! no link and no mode of somebody else's.

use std::io::{self, Read, Write};

/// Everything is in blocks of so many bytes.
const BLOCK: usize = 512;
/// How long a name may be.
const NAME_MAX: usize = 99;
/// The first size that eleven octal digits do not hold.
const OCTAL_END: u64 = 1 << 33;

/// One file in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its name.
    pub(crate) name: String,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// When it was made, in seconds since 1970.
    pub(crate) made: u64,
}

/// Why bytes are no archive of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadArchive {
    /// It ends too early.
    #[error("it is cut off")]
    Cut,
    /// It is something else, or was changed.
    #[error("{0}")]
    Foreign(&'static str),
    /// It cannot be read.
    #[error("it cannot be read")]
    Read(#[source] io::Error),
}

impl Header {
    fn write(&self) -> Vec<u8> {
        let mut block = Vec::with_capacity(BLOCK);
        let mut field = |bytes: &[u8], width: usize| {
            block.extend_from_slice(bytes);
            block.resize(block.len() + width.saturating_sub(bytes.len()), 0);
        };
        field(self.name.as_bytes(), NAME_MAX + 1);
        field(b"0000600", 8);
        // Whoever unpacks it owns it.
        field(b"0000000", 8);
        field(b"0000000", 8);
        field(&size(self.size), 12);
        field(format!("{:011o}", self.made).as_bytes(), 12);
        // The sum is taken with blanks in its own place.
        field(b"        ", 8);
        field(b"0", 1);
        field(b"", 100);
        field(b"ustar\x0000", 8);
        field(b"", BLOCK - 265);
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        let sum = format!("{sum:06o}\0 ");
        if let Some(place) = block.get_mut(148..156) {
            place.copy_from_slice(sum.as_bytes());
        }
        block
    }

    fn read(block: &[u8]) -> Option<Self> {
        let text = |from: usize, to: usize| {
            let field = block.get(from..to)?;
            let end = field.iter().position(|byte| *byte == 0)?;
            std::str::from_utf8(field.get(..end)?).ok()
        };
        let octal = |text: &str| u64::from_str_radix(text, 8).ok();
        let size = match block.get(124..136)? {
            [0x80, _, _, _, large @ ..] => u64::from_be_bytes(large.try_into().ok()?),
            _ => octal(text(124, 136)?)?,
        };
        let header = Self {
            name: text(0, NAME_MAX + 1)?.to_owned(),
            size,
            made: octal(text(136, 148)?)?,
        };
        (header.write() == block).then_some(header)
    }
}

/// A size: octal digits, or for a large one its bytes, as GNU's tar has it.
fn size(size: u64) -> Vec<u8> {
    if size < OCTAL_END {
        return format!("{size:011o}").into_bytes();
    }
    let mut bytes = vec![0x80, 0, 0, 0];
    bytes.extend_from_slice(&size.to_be_bytes());
    bytes
}

/// How many zeros follow so many bytes.
fn padding(size: u64) -> usize {
    let over = usize::try_from(size % 512).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// Writes one file of the archive, of which there must be as much as its header
/// says.
pub(crate) fn put(to: &mut impl Write, header: &Header, from: impl Read) -> io::Result<()> {
    to.write_all(&header.write())?;
    let copied = io::copy(&mut from.take(header.size), to)?;
    if copied < header.size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    to.write_all(&vec![0; padding(header.size)])
}

/// Ends the archive.
pub(crate) fn end(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&[0; 2 * BLOCK])
}

/// Reads an archive from its beginning.
pub(crate) struct Reader<R> {
    from: R,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from }
    }

    /// The next file of this name and what `take` makes of its bytes, which it
    /// must read all.
    pub(crate) fn file<T, E: From<BadArchive>>(
        &mut self,
        name: &str,
        take: impl FnOnce(&Header, &mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        let block = self.bytes(BLOCK)?;
        let header = Header::read(&block);
        let header = header
            .filter(|header| header.name == name)
            .ok_or(BadArchive::Foreign(
                "what it holds is not what a backup holds",
            ))?;
        let mut bytes = (&mut self.from).take(header.size);
        let taken = take(&header, &mut bytes)?;
        if bytes.limit() > 0 {
            return Err(BadArchive::Cut.into());
        }
        let rest = self.bytes(padding(header.size))?;
        zeros(&rest)?;
        Ok(taken)
    }

    /// Sees that the archive ends here.
    pub(crate) fn end(mut self) -> Result<(), BadArchive> {
        let end = self.bytes(2 * BLOCK)?;
        zeros(&end)?;
        match self.from.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(BadArchive::Foreign("something follows its end")),
            Err(error) => Err(BadArchive::Read(error)),
        }
    }

    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, BadArchive> {
        let mut bytes = vec![0; count];
        match self.from.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(BadArchive::Cut),
            Err(error) => Err(BadArchive::Read(error)),
        }
    }
}

fn zeros(bytes: &[u8]) -> Result<(), BadArchive> {
    if bytes.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(BadArchive::Foreign("there is something between its files"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        for size in [0, 1, 511, 512, OCTAL_END - 1, OCTAL_END, u64::MAX] {
            let header = Header {
                name: "store.db".to_owned(),
                size,
                made: 1_795_000_000,
            };
            let block = header.write();
            assert_eq!(block.len(), BLOCK);
            assert_eq!(Header::read(&block), Some(header));
            for place in 0..BLOCK {
                let mut changed = block.clone();
                changed[place] ^= 1;
                assert_eq!(Header::read(&changed), None, "byte {place}");
            }
        }
        assert_eq!(Header::read(&[0; BLOCK]), None);
        assert_eq!(Header::read(b"short"), None);
    }

    #[test]
    fn how_much_follows() {
        let all = [0, 1, 511, 512, 513].map(padding);
        assert_eq!(all, [0, 511, 1, 0, 511]);
    }
}
