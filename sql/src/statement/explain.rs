//! `EXPLAIN [ANALYZE] [VERBOSE]`: the plan, and a last line that says where it would run and why.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::physical_plan::displayable;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::sql::sqlparser::ast;
use futures::{StreamExt, TryStreamExt};

use super::select::{self, Plan};
use crate::error::{Error, Result};
use crate::parser::Statement;
use crate::planner::output_names::shown_text;
use crate::privileges::Rights;
use crate::response::{Response, Rows};
use crate::session::Session;
use crate::session::prepared::{Prepared, PreparedStatement};

/// One line of text a row, as psql expects.
pub(super) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("QUERY PLAN", DataType::Utf8, true)]))
}

/// Plans the query within, whose parameters are those of the statement.
pub(super) async fn prepare(
    session: &Arc<Session>,
    statement: &Statement,
    explain: &ast::Statement,
    declared: &[Option<DataType>],
) -> Result<PreparedStatement> {
    let planned = match explain {
        ast::Statement::Explain { statement: query, .. } if matches!(query.as_ref(), ast::Statement::Query(_)) => {
            Some(select::prepare(session, statement, query, declared).await?)
        }
        // What is wrong with it is said when it is executed.
        _ => None,
    };
    let query = planned.as_ref().map(PreparedStatement::inner);
    Ok(PreparedStatement::new(Prepared {
        statement: statement.clone(),
        parameter_types: query.map_or_else(|| declared.to_vec(), |query| query.parameter_types.clone()),
        plan: query.and_then(|query| query.plan.clone()),
        schema: Some(schema()),
        origins: vec![],
    }))
}

pub(super) async fn execute(
    session: &Arc<Session>,
    prepared: &PreparedStatement,
    explain: &ast::Statement,
    parameters: &[ScalarValue],
) -> Result<Response> {
    let statement = prepared.statement();
    let ast::Statement::Explain { analyze, verbose, statement: query, format, options, .. } = explain else {
        return Err(Error::unsupported("this form of EXPLAIN"));
    };
    let (mut analyze, mut verbose) = (*analyze, *verbose);
    for option in options.iter().flatten() {
        let on = option.arg.as_ref().is_none_or(|value| {
            let value = value.to_string().to_ascii_lowercase();
            !matches!(value.trim_matches('\''), "off" | "false" | "0")
        });
        match option.name.value.to_ascii_lowercase().as_str() {
            "analyze" => analyze = on,
            "verbose" => verbose = on,
            // Accepted because they change nothing that is shown.
            "costs" | "buffers" | "timing" | "summary" | "settings" | "wal" => {}
            "format" if option.arg.as_ref().is_some_and(|f| f.to_string().to_ascii_lowercase().trim_matches('\'') == "text") => {}
            other => return Err(Error::unsupported(format!("EXPLAIN option \"{other}\""))),
        }
    }
    if format.is_some() {
        return Err(Error::unsupported("EXPLAIN in a format other than TEXT"));
    }
    if !matches!(query.as_ref(), ast::Statement::Query(_)) {
        return Err(Error::unsupported("EXPLAIN of a statement other than a query"));
    }
    let routed = select::route(session, prepared, Arc::new(query.as_ref().clone()), parameters, false).await?;
    let statistics = verbose && Rights::in_session(session, &session.catalog()).is_superuser();
    let mut lines = Vec::new();
    if verbose {
        lines.push("Logical plan:".to_owned());
        lines.extend(indented(&shown_text(&routed.logical.display_indent().to_string())));
        lines.push("Physical plan:".to_owned());
    }
    let engine = &session.sessions().engine;
    let physical = Arc::clone(routed.plan.physical());
    if analyze {
        let started = Instant::now();
        let (rows, elapsed, shown) = match &routed.plan {
            Plan::Local(plan) => {
                let (rows, plan) = engine.analyze_local(&routed.state, plan)?;
                let rows = count_rows(rows).await?;
                (rows, started.elapsed(), plan_lines(DisplayableExecutionPlan::with_metrics(plan.as_ref()), verbose, statistics))
            }
            Plan::Cluster(plan) => {
                let rows = engine.run_distributed(statement.sql().to_owned(), plan.clone(), physical.schema())?;
                // Its metrics are elsewhere.
                (count_rows(rows).await?, started.elapsed(), plan_lines(displayable(physical.as_ref()), verbose, statistics))
            }
        };
        lines.extend(shown);
        lines.push(format!("Rows: {rows}"));
        lines.push(format!("Execution Time: {:.3} ms", elapsed.as_secs_f64() * 1e3));
    } else {
        lines.extend(plan_lines(displayable(physical.as_ref()), verbose, statistics));
    }
    lines.push(routed.route.to_string());
    Ok(Response::Rows(text_rows(lines)))
}

/// `statistics`: with what is known of columns, which may be more than their reader may know.
fn plan_lines(plan: DisplayableExecutionPlan<'_>, verbose: bool, statistics: bool) -> Vec<String> {
    shown_text(&plan.set_show_statistics(statistics).indent(verbose).to_string()).lines().map(str::to_owned).collect()
}

fn indented(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().map(|line| format!("  {line}"))
}

async fn count_rows(execution: impl futures::Stream<Item = engine::Result<RecordBatch>>) -> Result<usize> {
    Ok(execution.try_fold(0, async |rows, batch| Ok(rows + batch.num_rows())).await?)
}

fn text_rows(lines: Vec<String>) -> Rows {
    let batch = RecordBatch::try_new(schema(), vec![Arc::new(StringArray::from(lines))]);
    let batch = batch.map_err(|error| Error::from(engine::Error::from(error)));
    Rows::new(schema(), futures::stream::iter([batch]).boxed(), "EXPLAIN")
}
