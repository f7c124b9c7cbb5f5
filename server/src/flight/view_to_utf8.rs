//! Utf8View → Utf8 with the lengths added up first, several times as fast as the general cast, which appends value by value.

use std::borrow::Cow;
use std::mem::MaybeUninit;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ByteView, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};

/// Views hold strings of up to this many bytes in themselves.
const INLINE_BYTES_MAX: usize = 12;
/// Strings of up to this many bytes are copied as if they had as many: that is an instruction or two instead of a call, and
/// the next string overwrites what was too much.
const SHORT_BYTES_MAX: usize = 64;

/// `None`: not a string view, or too long for the 32-bit offsets of Utf8; the caller's general way says so.
pub(super) fn view_to_utf8(column: &ArrayRef) -> Option<ArrayRef> {
    let views = column.as_string_view_opt()?;
    let nulls = views.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    let (offsets, bytes) = match &nulls {
        // What the view of a null holds is undefined: here it is the empty string.
        Some(nulls) => {
            let view_at = |(row, &view): (usize, &u128)| if nulls.is_null(row) { 0 } else { view };
            copied(views.views().iter().enumerate().map(view_at), views.data_buffers())?
        }
        None => copied(views.views().iter().copied(), views.data_buffers())?,
    };
    let (offsets, bytes) = (OffsetBuffer::new(ScalarBuffer::from(offsets)), Buffer::from_vec(bytes));
    #[expect(unsafe_code, reason = "the safe way reads all text once more")]
    // SAFETY: what lies between two offsets is what a view refers to, which is valid UTF-8 in any array of views, or empty.
    let strings = unsafe { StringArray::new_unchecked(offsets, bytes, nulls) };
    Some(Arc::new(strings))
}

/// The strings one after another, and where each begins.
fn copied(views: impl ExactSizeIterator<Item = u128> + Clone, buffers: &[Buffer]) -> Option<(Vec<i32>, Vec<u8>)> {
    let length = |view: u128| ByteView::from(view).length;
    let total: u64 = views.clone().map(|view| u64::from(length(view))).sum();
    let total = usize::try_from(i32::try_from(total).ok()?).ok()?;
    let mut offsets = Vec::with_capacity(views.len() + 1);
    offsets.push(0);
    let mut end = 0;
    offsets.extend(views.clone().map(|view| {
        // All of them together fit.
        end += length(view) as i32;
        end
    }));
    let buffers: Vec<_> = buffers.iter().map(with_room).collect();
    let mut bytes = Vec::with_capacity(total + SHORT_BYTES_MAX);
    let room = bytes.spare_capacity_mut();
    let mut start = 0;
    for view in views {
        let length = length(view) as usize;
        let to = room.get_mut(start..)?;
        if length <= INLINE_BYTES_MAX {
            to.get_mut(..INLINE_BYTES_MAX)?.write_copy_of_slice(&view.to_le_bytes()[4..]);
        } else {
            let view = ByteView::from(view);
            let from = buffers.get(view.buffer_index as usize)?.get(view.offset as usize..)?;
            match from.first_chunk::<SHORT_BYTES_MAX>() {
                Some(short) if length <= SHORT_BYTES_MAX => *to.first_chunk_mut()? = short.map(MaybeUninit::new),
                _ => _ = to.get_mut(..length)?.write_copy_of_slice(from.get(..length)?),
            }
        }
        start += length;
    }
    #[expect(unsafe_code, reason = "the safe way writes zeros first")]
    // SAFETY: `start` began at 0 and grew by what was written from there on.
    unsafe {
        bytes.set_len(start);
    }
    Some((offsets, bytes))
}

/// Dictionaries of a few strings get room behind them, so that these are short everywhere.
fn with_room(buffer: &Buffer) -> Cow<'_, [u8]> {
    const SMALL_BYTES_MAX: usize = 4096;
    match buffer.len() {
        ..=SMALL_BYTES_MAX => Cow::Owned([buffer.as_slice(), &[0; SHORT_BYTES_MAX]].concat()),
        _ => Cow::Borrowed(buffer.as_slice()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::StringViewArray;
    use arrow::compute::cast;
    use arrow::datatypes::DataType;

    #[track_caller]
    fn check(views: StringViewArray) {
        let column: ArrayRef = Arc::new(views);
        let expected = cast(&column, &DataType::Utf8).expect("a cast");
        assert_eq!(&view_to_utf8(&column).expect("fits"), &expected);
    }

    #[test]
    fn it_is_the_same_as_the_cast() {
        let long = "x".repeat(100);
        let values = ["", "twelve bytes", "thirteen bytes", "größer als zwölf Bytes", "x", &long, &long[..64], &long[..65]];
        let views: StringViewArray =
            (0..1000).map(|row| (row % 7 != 3).then(|| values[row % values.len()])).collect();
        check(views.slice(13, 500));
        check(views);
        check(StringViewArray::from(Vec::<&str>::new()));
        check(StringViewArray::from(vec![None::<&str>, None]));
    }

    #[test]
    fn other_types_are_not_touched() {
        let column: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        assert!(view_to_utf8(&column).is_none());
    }
}
