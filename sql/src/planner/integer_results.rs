//! Functions whose results are counts: int8 and int4 in PostgreSQL, unsigned in the engine; functions and operators that the engine
//! has under other names.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{CastKind, DataType, Expr, ObjectNamePart, Statement, UnaryOperator, Value, VisitMut, VisitorMut};

use super::build::call;

/// PostgreSQL's names, and those of the engine.
const OTHER_NAMES: [(&str, &str); 4] = [("ceiling", "ceil"), ("variance", "var_samp"), ("every", "bool_and"), ("sign", "signum")];

/// Writes casts around them, and other names.
pub(super) fn rewrite_counts(statement: &mut Statement) {
    let ControlFlow::Continue(()) = statement.visit(&mut RewriteCounts);
}

struct RewriteCounts;

impl VisitorMut for RewriteCounts {
    type Break = std::convert::Infallible;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if let Expr::UnaryOp { op, expr: operand } = expr {
            let function = match op {
                UnaryOperator::PGAbs => "abs",
                UnaryOperator::PGSquareRoot => "sqrt",
                UnaryOperator::PGCubeRoot => "cbrt",
                _ => return ControlFlow::Continue(()),
            };
            let operand = std::mem::replace(operand.as_mut(), Expr::value(Value::Null));
            *expr = call(function, vec![operand]);
            return ControlFlow::Continue(());
        }
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.0.last().and_then(|part| part.as_ident()).map(|name| name.value.to_ascii_lowercase()).unwrap_or_default();
        if let (Some((_, other)), [ObjectNamePart::Identifier(own)]) = (OTHER_NAMES.iter().find(|(known, _)| *known == name), function.name.0.as_mut_slice()) {
            own.value = (*other).to_owned();
            return ControlFlow::Continue(());
        }
        let data_type = match (name.as_str(), function.over.is_some()) {
            ("row_number" | "rank" | "dense_rank", true) => DataType::BigInt(None),
            ("ntile", true) | ("array_length" | "cardinality" | "array_ndims" | "array_position", false) => DataType::Integer(None),
            _ => return ControlFlow::Continue(()),
        };
        let call = std::mem::replace(expr, Expr::value(Value::Null));
        *expr = Expr::Cast { kind: CastKind::Cast, expr: Box::new(call), data_type, array: false, format: None };
        ControlFlow::Continue(())
    }
}
