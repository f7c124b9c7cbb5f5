//! What a result's columns are called and of which type they are.

use arrow::datatypes::Schema;
use pgwire::messages::data::{FieldDescription, RowDescription};
use sql::ColumnOrigin;

use super::error::{Error, without_nul};
use super::to_wire::Format;
use super::types::column_type;

/// PostgreSQL's limit; clients size their arrays by it.
const COLUMNS_MAX: usize = 1664;

/// Describes columns of `schema`, one format each. `origins` may be shorter: what is missing is no table's column.
pub fn row_description(
    schema: &Schema,
    origins: &[Option<ColumnOrigin>],
    formats: &[Format],
) -> Result<RowDescription, Error> {
    if schema.fields().len() > COLUMNS_MAX {
        return Err(Error::TooManyColumns { columns_max: COLUMNS_MAX });
    }
    let fields = schema.fields().iter().zip(formats).enumerate().map(|(index, (field, format))| {
        let origin = origins.get(index).and_then(Option::as_ref);
        let column = column_type(field, origin);
        let (table_oid, attribute) = origin.map_or((0, 0), |origin| (origin.table_oid, origin.attribute));
        let name = without_nul(field.name().clone());
        // pgwire has the table's OID signed; the bits are the same.
        let table_oid = table_oid as i32;
        FieldDescription::new(name, table_oid, attribute, column.oid, column.size, column.modifier, format.code())
    });
    Ok(RowDescription::new(fields.collect()))
}
