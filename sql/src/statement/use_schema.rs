//! `USE`: names without a schema are looked up in this one from now on.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{ObjectName, Use};

use super::command;
use super::names::{folded, schema_name};
use crate::catalog::CatalogSnapshot;
use crate::error::{Error, Result};
use crate::planner::assign::identifier;
use crate::response::Response;
use crate::session::Session;

pub(super) fn use_schema(session: &Arc<Session>, target: &Use) -> Result<Response> {
    let snapshot = session.catalog();
    let schema = match target {
        Use::Schema(name) => Some(schema_name(name, &snapshot)?),
        Use::Object(name) if is_database(name, &snapshot) => None,
        // What Spark calls the schema that there is from the beginning.
        Use::Object(name) | Use::Database(name) if is_default(name) && snapshot.schema("default").is_none() => return reset(session),
        Use::Object(name) => Some(schema_name(name, &snapshot)?),
        Use::Database(name) | Use::Catalog(name) if is_database(name, &snapshot) => None,
        // Spark and Hive call schemas databases.
        Use::Database(name) => Some(schema_name(name, &snapshot)?),
        Use::Catalog(name) => return Err(Error::UndefinedDatabase { name: name.to_string() }),
        Use::Default => return reset(session),
        other => return Err(Error::unsupported(other.to_string())),
    };
    match schema {
        Some(schema) if snapshot.schema(&schema).is_none() && !session.system().schemas().contains_key(&schema) => {
            Err(Error::UndefinedSchema { name: schema })
        }
        Some(schema) => {
            session.set_setting("search_path", &identifier(&schema))?;
            Ok(command("USE"))
        }
        None => Ok(command("USE")),
    }
}

fn reset(session: &Session) -> Result<Response> {
    session.settings(|settings| settings.reset("search_path"))?;
    Ok(command("USE"))
}

fn is_default(name: &ObjectName) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| folded(ident) == "default"))
}

fn is_database(name: &ObjectName, snapshot: &CatalogSnapshot) -> bool {
    matches!(name.0.as_slice(), [part] if part.as_ident().is_some_and(|ident| folded(ident) == snapshot.database))
}
