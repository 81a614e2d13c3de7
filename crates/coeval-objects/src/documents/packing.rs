//! The bytes of objects, packed and unpacked.

use std::io::{self, Read, Write};

use super::template::Packing;

/// The most that an object may unpack to: what a few bytes can grow to must not fill the memory.
const LIMIT: u64 = 1 << 30;

impl Packing {
    /// Unpacks the bytes of an object.
    ///
    /// # Errors
    /// Bytes that are not packed so, are cut off, or unpack to more than 1 GiB.
    pub(crate) fn unpack(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Self::Plain => out.extend_from_slice(bytes),
            Self::Gzip => limited(flate2::read::MultiGzDecoder::new(bytes), &mut out)?,
            Self::Zstd => limited(zstd::Decoder::new(bytes)?, &mut out)?,
        }
        Ok(out)
    }

    /// Packs the bytes of an object. Equal bytes are packed equally: no time and no name is noted.
    ///
    /// # Errors
    /// None that is known; the libraries say that there may be.
    pub(crate) fn pack(self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain => Ok(bytes),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(&bytes)?;
                encoder.finish()
            }
            Self::Zstd => zstd::encode_all(bytes.as_slice(), 0),
        }
    }
}

fn limited(reader: impl Read, out: &mut Vec<u8>) -> io::Result<()> {
    let read = reader.take(LIMIT + 1).read_to_end(out)?;
    if read as u64 > LIMIT {
        return Err(io::Error::other("it unpacks to more than 1 GiB"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_what_is_cut_off_is_told() {
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            for text in ["", "{\"a\":1}\n", &"abc\n".repeat(10_000)] {
                let packed = packing.pack(text.as_bytes().to_vec()).unwrap();
                assert_eq!(packing.pack(text.as_bytes().to_vec()).unwrap(), packed);
                assert_eq!(packing.unpack(&packed).unwrap(), text.as_bytes());
                if packing != Packing::Plain && !text.is_empty() {
                    assert!(packing.unpack(&packed[..packed.len() - 3]).is_err());
                }
            }
        }
    }
}
