//! What a file's name says: table, format and compression.

use datafusion::datasource::file_format::file_compression_type::FileCompressionType;

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    Parquet,
    Csv { delimiter: u8 },
    /// One JSON object a line.
    Json,
    Arrow,
    Avro,
}

impl FileKind {
    /// The kind of files with this suffix, which is also its name: `parquet`, `csv`, `tsv`, `json`, `arrow`, `avro` and others.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        find(&KINDS, suffix)
    }

    /// The first of its suffixes, without a point.
    pub fn suffix(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("csv", |(suffix, _)| suffix)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Csv { .. } => "CSV",
            Self::Json => "JSON lines",
            Self::Arrow => "Arrow",
            Self::Avro => "Avro",
        }
    }
}

/// A file name taken apart: `orders.csv.gz` is the table `orders`, the suffix `.csv.gz`, CSV, gzip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    pub stem: String,
    /// As written, with the leading dot.
    pub suffix: String,
    pub kind: FileKind,
    pub compression: FileCompressionType,
}

const KINDS: [(&str, FileKind); 12] = [
    ("parquet", FileKind::Parquet),
    ("parq", FileKind::Parquet),
    ("pq", FileKind::Parquet),
    ("csv", FileKind::Csv { delimiter: b',' }),
    ("tsv", FileKind::Csv { delimiter: b'\t' }),
    ("json", FileKind::Json),
    ("jsonl", FileKind::Json),
    ("ndjson", FileKind::Json),
    ("arrow", FileKind::Arrow),
    ("feather", FileKind::Arrow),
    ("ipc", FileKind::Arrow),
    ("avro", FileKind::Avro),
];

const COMPRESSIONS: [(&str, FileCompressionType); 4] = [
    ("gz", FileCompressionType::GZIP),
    ("bz2", FileCompressionType::BZIP2),
    ("xz", FileCompressionType::XZ),
    ("zst", FileCompressionType::ZSTD),
];

impl FileName {
    /// A file whose name does not have to say what is in it, because somebody did.
    pub fn of_kind(name: &str, kind: FileKind) -> Self {
        let parsed = Self::parse(name);
        let compression = name.rsplit_once('.').and_then(|(_, last)| find(&COMPRESSIONS, last));
        Self {
            stem: parsed.as_ref().map_or_else(|| name.to_owned(), |parsed| parsed.stem.clone()),
            suffix: parsed.map_or_else(String::new, |parsed| parsed.suffix),
            kind,
            compression: compression.unwrap_or(FileCompressionType::UNCOMPRESSED),
        }
    }

    /// The suffixes that [`FileName::parse`] knows, for messages.
    pub const SUFFIXES: &'static str = ".parquet, .csv, .tsv, .json, .jsonl, .ndjson, .arrow, .feather, .avro; CSV and JSON also with .gz, .bz2, .xz, .zst";

    /// `None` if the suffix is of no format we read. Suffixes are compared without case.
    pub fn parse(name: &str) -> Option<Self> {
        let (before, last) = name.rsplit_once('.')?;
        let compression = find(&COMPRESSIONS, last);
        let (stem, kind) = match compression {
            Some(_) => {
                let (stem, suffix) = before.rsplit_once('.')?;
                (stem, find(&KINDS, suffix)?)
            }
            None => (before, find(&KINDS, last)?),
        };
        let compressible = matches!(kind, FileKind::Csv { .. } | FileKind::Json);
        if stem.is_empty() || (compression.is_some() && !compressible) {
            return None;
        }
        Some(Self {
            stem: stem.to_owned(),
            suffix: name[stem.len()..].to_owned(),
            kind,
            compression: compression.unwrap_or(FileCompressionType::UNCOMPRESSED),
        })
    }
}

fn find<T: Copy>(table: &[(&str, T)], suffix: &str) -> Option<T> {
    table.iter().find(|(name, _)| name.eq_ignore_ascii_case(suffix)).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let parse = |name| FileName::parse(name).map(|f| (f.stem, f.suffix, f.kind));
        let csv = FileKind::Csv { delimiter: b',' };
        assert_eq!(parse("orders.csv.gz"), Some(("orders".into(), ".csv.gz".into(), csv)));
        assert_eq!(parse("a.b.PARQUET"), Some(("a.b".into(), ".PARQUET".into(), FileKind::Parquet)));
        assert_eq!(parse("x.ndjson"), Some(("x".into(), ".ndjson".into(), FileKind::Json)));
        assert_eq!(parse("x.parquet.gz"), None);
        assert_eq!(parse(".parquet"), None);
        assert_eq!(parse("README.md"), None);
        assert_eq!(parse("noext"), None);
    }
}
