//! Reads JSON or JSON lines from a file or standard input, one record at a time, within a bound of memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;
use std::path::Path;

use clap::ValueEnum;
use coeval_core::json;

use crate::error::{CommandError, Result};

/// How records stand in the input: one JSON document, or one a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Input {
    Json,
    Jsonl,
}

/// A record as it stands in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The line on which its bytes begin, from 1.
    pub(crate) line: usize,
    /// Everything up to the next record: white space, the document, white space, the end of the line.
    pub(crate) bytes: Vec<u8>,
    /// Where in these bytes the document stands.
    pub(crate) body: Range<usize>,
}

impl Record {
    fn new(line: usize, bytes: Vec<u8>) -> Self {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let start = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
        Self { line, bytes, body: start..end }
    }

    /// Returns the document's bytes.
    pub(crate) fn text(&self) -> &[u8] {
        &self.bytes[self.body.clone()]
    }

    fn is_blank(&self) -> bool {
        self.body.is_empty()
    }
}

/// What a reader comes upon.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A record.
    Record(Record),
    /// A line without one.
    Blank(Vec<u8>),
    /// The beginning of a record that is longer than is read; the rest was passed over.
    TooLong(Record),
    /// The beginning of a list where records are expected; nothing can follow.
    List(Record),
}

/// Reads records.
pub(crate) struct Reader {
    source: Box<dyn BufRead>,
    /// What the input is called in messages.
    pub(crate) name: String,
    input: Option<Input>,
    /// How many bytes a record may have.
    limit: usize,
    /// The line that is read next, from 1.
    line: usize,
    ended: bool,
    /// Whether the rest of a line that was too long still lies ahead. It is only read if somebody goes on.
    inside_line: bool,
}

impl Reader {
    /// Opens a file, unpacked where it is called `.gz` or `.zst`; standard input for `-` and where none is named.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub(crate) fn open(path: Option<&Path>, input: Option<Input>, limit: usize) -> Result<Self> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Self::new(Box::new(io::stdin().lock()), "<stdin>", input, limit));
        };
        let name = path.display().to_string();
        let fail = |e: io::Error| CommandError::io(&name, &e);
        let file = File::open(path).map_err(fail)?;
        if file.metadata().map_err(fail)?.is_dir() {
            return Err(CommandError::usage("not-a-file", format!("{name} is a folder"), "name a file of records"));
        }
        let (source, plain): (Box<dyn BufRead>, &str) = if let Some(plain) = name.strip_suffix(".gz") {
            (Box::new(BufReader::with_capacity(1 << 16, flate2::read::MultiGzDecoder::new(file))), plain)
        } else if let Some(plain) = name.strip_suffix(".zst") {
            (Box::new(BufReader::new(zstd::Decoder::new(file).map_err(fail)?)), plain)
        } else {
            (Box::new(BufReader::with_capacity(1 << 16, file)), name.as_str())
        };
        let ending = Path::new(plain).extension().and_then(|ending| ending.to_str());
        let by_name = matches!(ending, Some("jsonl" | "ndjson")).then_some(Input::Jsonl);
        Ok(Self::new(source, &name, input.or(by_name), limit))
    }

    fn new(source: Box<dyn BufRead>, name: &str, input: Option<Input>, limit: usize) -> Self {
        Self { source, name: name.to_owned(), input, limit, line: 1, ended: false, inside_line: false }
    }

    /// Returns what comes next; `None` at the end.
    ///
    /// # Errors
    /// What the system or the unpacking says.
    pub(crate) fn next(&mut self) -> Result<Option<Item>> {
        let line = self.line;
        let item = self.advance();
        item.map_err(|e| CommandError::io(&format!("{}, line {line}", self.name), &e))
    }

    fn advance(&mut self) -> io::Result<Option<Item>> {
        if self.ended {
            return Ok(None);
        }
        if std::mem::take(&mut self.inside_line) {
            self.pass_line()?;
        }
        let line = self.line;
        if self.input == Some(Input::Json) {
            return self.whole(line, Vec::new()).map(Some);
        }
        let mut bytes = Vec::new();
        if !self.take_line(&mut bytes)? {
            self.inside_line = true;
            self.input.get_or_insert(Input::Jsonl);
            return Ok(Some(Item::TooLong(beginning(line, bytes))));
        }
        if bytes.is_empty() {
            self.ended = true;
            return Ok(None);
        }
        let record = Record::new(line, bytes);
        if record.is_blank() {
            return Ok(Some(Item::Blank(record.bytes)));
        }
        if self.input.is_none() {
            let input = detect(record.text());
            self.input = Some(input);
            if input == Input::Json {
                if record.text().starts_with(b"[") {
                    self.ended = true;
                    return Ok(Some(Item::List(beginning(line, record.bytes))));
                }
                return self.whole(line, record.bytes).map(Some);
            }
        }
        Ok(Some(Item::Record(record)))
    }

    /// Reads what is left of the input as one record that begins with `bytes`.
    fn whole(&mut self, line: usize, mut bytes: Vec<u8>) -> io::Result<Item> {
        self.ended = true;
        let room = (self.limit + 1).saturating_sub(bytes.len());
        self.source.by_ref().take(room as u64).read_to_end(&mut bytes)?;
        if bytes.len() > self.limit {
            return Ok(Item::TooLong(beginning(line, bytes)));
        }
        let record = Record::new(line, bytes);
        Ok(if record.is_blank() { Item::Blank(record.bytes) } else { Item::Record(record) })
    }

    /// Reads a line with its end; false where it is too long.
    fn take_line(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        self.source.by_ref().take(self.limit as u64 + 1).read_until(b'\n', bytes)?;
        self.line += 1;
        Ok(bytes.len() <= self.limit || bytes.ends_with(b"\n"))
    }

    /// Passes over what is left of a line.
    fn pass_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.source.fill_buf()?;
            let end = buffer.iter().position(|b| *b == b'\n');
            let length = end.map_or(buffer.len(), |at| at + 1);
            let last = buffer.is_empty() || end.is_some();
            self.source.consume(length);
            if last {
                return Ok(());
            }
        }
    }
}

/// Keeps of a record what is enough to show where it is.
fn beginning(line: usize, mut bytes: Vec<u8>) -> Record {
    bytes.truncate(80);
    Record::new(line, bytes)
}

/// Tells a document that spans lines from one a line: its first line ends before it does.
fn detect(line: &[u8]) -> Input {
    match json::parse(line) {
        Err(error) if error.at >= line.len() => Input::Json,
        _ => Input::Jsonl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, limit: usize) -> Vec<String> {
        let mut reader = Reader::new(Box::new(io::Cursor::new(text.to_owned())), "x", None, limit);
        let mut out = Vec::new();
        while let Some(item) = reader.next().unwrap() {
            out.push(match item {
                Item::Record(record) => format!("{}:{}", record.line, String::from_utf8_lossy(record.text())),
                Item::Blank(bytes) => format!("blank {}", bytes.len()),
                Item::TooLong(record) => format!("{}:too long", record.line),
                Item::List(record) => format!("{}:list", record.line),
            });
        }
        out
    }

    #[test]
    fn lines_and_documents_are_told_apart() {
        assert_eq!(read("{\"a\":1}\n\n {\"b\":2} \r\n", 99), ["1:{\"a\":1}", "blank 1", "3:{\"b\":2}"]);
        assert_eq!(read("\n{\n \"a\":1\n}\n", 99), ["blank 1", "2:{\n \"a\":1\n}"]);
        assert_eq!(read("{\"a\":1,\n\"b\":2}", 99), ["1:{\"a\":1,\n\"b\":2}"]);
        assert_eq!(read("{\"a\":x}\n{\"a\":1}", 99), ["1:{\"a\":x}", "2:{\"a\":1}"]);
        assert_eq!(read("[\n{}]", 99), ["1:list"]);
        assert_eq!(read("", 99), [""; 0]);
    }

    #[test]
    fn what_is_too_long_is_passed_over() {
        assert_eq!(read("{\"a\":\"0123456789\"}\n{\"b\":1}\n", 9), ["1:too long", "2:{\"b\":1}"]);
        assert_eq!(read("{\n\"a\":\"0123456789\"}\n{\"b\":1}\n", 9), ["1:too long"]);
    }
}
