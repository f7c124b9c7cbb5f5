//! `SHOW name`, `SHOW ALL`.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::sql::sqlparser::ast::Ident;
use futures::StreamExt;

use crate::error::{Error, Result};
use crate::response::{Response, Rows};
use crate::session::Session;
use crate::session::settings::Settings;

/// The words after SHOW as the name of a parameter.
fn name_of(words: &[Ident]) -> String {
    let upper: Vec<String> = words.iter().map(|word| word.value.to_ascii_uppercase()).collect();
    match upper.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["TIME", "ZONE"] => "TimeZone".into(),
        ["TRANSACTION", "ISOLATION", "LEVEL"] => "transaction_isolation".into(),
        ["SESSION", "AUTHORIZATION"] => "session_authorization".into(),
        _ => words.iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join("."),
    }
}

fn is_all(words: &[Ident]) -> bool {
    matches!(words, [word] if word.value.eq_ignore_ascii_case("all"))
}

pub(super) fn schema(words: &[Ident]) -> SchemaRef {
    let names = match is_all(words) {
        true => vec!["name".to_owned(), "setting".to_owned(), "description".to_owned()],
        false => vec![Settings::canonical_name(&name_of(words))],
    };
    Arc::new(Schema::new(names.into_iter().map(|name| Field::new(name, DataType::Utf8, true)).collect::<Vec<_>>()))
}

pub(super) fn show(session: &Arc<Session>, words: &[Ident]) -> Result<Response> {
    let columns: Vec<ArrayRef> = match is_all(words) {
        true => {
            let all = session.settings(|settings| settings.all());
            vec![
                Arc::new(all.iter().map(|(name, _, _)| Some(name.as_str())).collect::<StringArray>()),
                Arc::new(all.iter().map(|(_, value, _)| Some(value.as_str())).collect::<StringArray>()),
                Arc::new(all.iter().map(|(_, _, description)| Some(*description)).collect::<StringArray>()),
            ]
        }
        false => {
            let value = session.settings(|settings| settings.require(&name_of(words)))?;
            vec![Arc::new(StringArray::from(vec![value]))]
        }
    };
    let schema = schema(words);
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns);
    let batch = batch.map_err(|error| Error::from(engine::Error::from(error)));
    Ok(Response::Rows(Rows::new(schema, futures::stream::iter([batch]).boxed(), "SHOW")))
}
