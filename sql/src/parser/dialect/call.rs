//! `CALL procedure('name', word => value)`, as which statements are kept that the library's syntax tree does not have.

use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArgumentList, FunctionArguments, Ident, ObjectName,
    Statement, Value,
};

pub(super) fn call(procedure: &str, name: &ObjectName, named: Option<(&str, Expr)>) -> Statement {
    let name = Expr::Value(Value::SingleQuotedString(name.to_string()).into());
    let named = named.map(|(word, value)| FunctionArg::Named {
        name: Ident::new(word),
        arg: FunctionArgExpr::Expr(value),
        operator: FunctionArgOperator::RightArrow,
    });
    let args = [FunctionArg::Unnamed(FunctionArgExpr::Expr(name))].into_iter().chain(named).collect();
    Statement::Call(Function {
        name: ObjectName::from(Ident::new(procedure)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: vec![] }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
