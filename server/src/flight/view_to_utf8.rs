//! Utf8View → Utf8 in two passes over the views, several times as fast as the general cast, which appends value by value.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ByteView, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};

/// Views hold strings of up to this many bytes in themselves.
const INLINE_BYTES_MAX: usize = 12;

/// `None`: not a string view, or too long for the 32-bit offsets of Utf8; the caller's general way says so.
pub(super) fn view_to_utf8(column: &ArrayRef) -> Option<ArrayRef> {
    let views = column.as_string_view_opt()?;
    let nulls = views.logical_nulls().filter(|nulls| nulls.null_count() > 0);
    // What the view of a null holds is undefined: here it is the empty string.
    let view_at = |row: usize, view: u128| match &nulls {
        Some(nulls) if nulls.is_null(row) => 0,
        _ => view,
    };

    let mut offsets = Vec::with_capacity(views.len() + 1);
    let mut end = 0i32;
    offsets.push(end);
    for (row, &view) in views.views().iter().enumerate() {
        // The length is the low half of the view's first word.
        let length = view_at(row, view) as u32;
        end = end.checked_add(i32::try_from(length).ok()?)?;
        offsets.push(end);
    }

    let end = usize::try_from(end).ok()?;
    // All twelve bytes of a short string are copied, which is one instruction or two, and the next string then overwrites
    // what is too much: hence the room at the end.
    let mut bytes = vec![0u8; end + INLINE_BYTES_MAX];
    let mut start = 0;
    for (row, &view) in views.views().iter().enumerate() {
        let view = view_at(row, view);
        let length = view as u32 as usize;
        if length <= INLINE_BYTES_MAX {
            bytes.get_mut(start..start + INLINE_BYTES_MAX)?.copy_from_slice(&view.to_le_bytes()[4..]);
        } else {
            let view = ByteView::from(view);
            let from = view.offset as usize;
            let buffer = views.data_buffers().get(view.buffer_index as usize)?;
            bytes.get_mut(start..start + length)?.copy_from_slice(buffer.get(from..from + length)?);
        }
        start += length;
    }
    bytes.truncate(end);

    // Each string was valid UTF-8 in the view array, so each is at its place in `bytes`; `try_new` checks it once more,
    // over all bytes at once, which costs little.
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    let strings = StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls).ok()?;
    Some(Arc::new(strings))
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
        let values = ["", "twelve bytes", "thirteen bytes", "größer als zwölf Bytes", "x"];
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
