//! Where lines end, which in CSV may have line ends within quotation marks.

use bytes::{Buf, Bytes, BytesMut};
use sql::{CopyFormat, CopyOptions};

/// How far the search for the end of a line has come.
#[derive(Debug, Default)]
pub(super) struct Search {
    at: usize,
    is_quoted: bool,
    /// The byte before escapes what comes next.
    is_escaped: bool,
    /// Line ends that do not end the line.
    pub(super) lines_within: usize,
}

#[derive(Debug)]
pub(super) enum Line {
    /// Without its end.
    Whole(Bytes),
    /// More is to come.
    Unfinished,
    /// There is no more, and a quotation mark has no end.
    Unclosed,
}

/// Takes the next line out of `input`; the last one, when `is_all` has come, need not have an end.
pub(super) fn next(input: &mut BytesMut, search: &mut Search, options: &CopyOptions, is_all: bool) -> Line {
    let is_csv = options.format == CopyFormat::Csv;
    while let Some(&byte) = input.get(search.at) {
        if !is_csv {
            match byte {
                _ if search.is_escaped => search.is_escaped = false,
                b'\\' => search.is_escaped = true,
                b'\n' => return Line::Whole(take(input, search)),
                _ => {}
            }
        } else if search.is_quoted {
            match byte {
                _ if search.is_escaped => search.is_escaped = false,
                // Of two quotation marks the first ends the text, and the second begins it again: the same in the end.
                byte if byte == options.quote => search.is_quoted = false,
                byte if byte == options.escape => search.is_escaped = true,
                b'\n' => search.lines_within += 1,
                _ => {}
            }
        } else if byte == options.quote {
            search.is_quoted = true;
        } else if byte == b'\n' {
            return Line::Whole(take(input, search));
        }
        search.at += 1;
    }
    match is_all {
        true if search.is_quoted => Line::Unclosed,
        true if !input.is_empty() => Line::Whole(take(input, search)),
        _ => Line::Unfinished,
    }
}

fn take(input: &mut BytesMut, search: &mut Search) -> Bytes {
    let mut line = input.split_to(search.at);
    if !input.is_empty() {
        input.advance(1);
    }
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    *search = Search { lines_within: search.lines_within, ..Search::default() };
    line.freeze()
}
