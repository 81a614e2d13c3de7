//! Writes to standard output, or to a file that takes its place only when it is whole; packed where its name says so.

use std::io::{self, BufWriter, Stdout, Write};
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use tempfile::NamedTempFile;

use crate::atomic;
use crate::error::{CommandError, Result};

/// Where records go.
pub(crate) struct Output {
    encoder: Encoder,
    path: Option<PathBuf>,
    name: String,
}

enum Encoder {
    Plain(BufWriter<Sink>),
    Gzip(GzEncoder<BufWriter<Sink>>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<Sink>>>),
}

enum Sink {
    Stdout(Stdout),
    File(NamedTempFile),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

impl Output {
    /// Opens standard output for `-` and where no file is named, else a file.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self> {
        let path = path.filter(|path| *path != Path::new("-"));
        let name = path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        let fail = |e: io::Error| CommandError::io(&name, &e);
        let sink = match path {
            None => Sink::Stdout(io::stdout()),
            Some(path) => Sink::File(atomic::temporary(path).map_err(fail)?),
        };
        let buffer = BufWriter::with_capacity(1 << 16, sink);
        let packing = path.and_then(Path::extension).and_then(|ending| ending.to_str());
        let encoder = if packing == Some("gz") {
            Encoder::Gzip(GzEncoder::new(buffer, flate2::Compression::default()))
        } else if packing == Some("zst") {
            Encoder::Zstd(Box::new(zstd::Encoder::new(buffer, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(fail)?))
        } else {
            Encoder::Plain(buffer)
        };
        Ok(Self { encoder, path: path.map(Path::to_owned), name })
    }

    /// Returns whether this is standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        self.path.is_none()
    }

    /// Writes.
    ///
    /// # Errors
    /// What the system says; nobody listening any more is one of it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.encoder {
            Encoder::Plain(out) => out.write_all(bytes),
            Encoder::Gzip(out) => out.write_all(bytes),
            Encoder::Zstd(out) => out.write_all(bytes),
        };
        written.map_err(|e| CommandError::io(&self.name, &e))
    }

    /// Ends the output; a file takes its place.
    ///
    /// # Errors
    /// What the system says; the file is then as before.
    pub(crate) fn finish(self) -> Result<()> {
        let name = self.name;
        let fail = |e: io::Error| CommandError::io(&name, &e);
        let buffer = match self.encoder {
            Encoder::Plain(out) => out,
            Encoder::Gzip(out) => out.finish().map_err(fail)?,
            Encoder::Zstd(out) => out.finish().map_err(fail)?,
        };
        match (buffer.into_inner().map_err(|e| fail(e.into_error()))?, self.path) {
            (Sink::File(file), Some(path)) => {
                file.as_file().sync_all().map_err(fail)?;
                file.persist(&path).map_err(|e| fail(e.error))?;
                atomic::sync_folder(&path);
                Ok(())
            }
            (mut sink, _) => sink.flush().map_err(fail),
        }
    }

    /// Ends standard output with what was written so far; a file stays as it was.
    pub(crate) fn abandon(self) -> Result<()> {
        if self.is_stdout() { self.finish() } else { Ok(()) }
    }
}
