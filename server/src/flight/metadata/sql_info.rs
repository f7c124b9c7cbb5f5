//! CommandGetSqlInfo: what this server can do. Drivers believe it, so every claim here has to be true.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity, SqlSupportedGroupBy, SqlSupportedSubqueries,
    SqlSupportedTransaction, SqlSupportedUnions, SqlSupportsConvert, SupportedSqlGrammar,
};

/// arrow-flight does not generate this enum for others: ANSI92_ENTRY_SQL.
const ANSI92_ENTRY: i32 = 0;
/// Zero: there is no limit, or it is not known.
const NO_LIMIT: i64 = 0;

static INFO: LazyLock<Result<SqlInfoData, String>> = LazyLock::new(|| info().build().map_err(|error| error.to_string()));

pub(super) fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| Arc::new(SqlInfoDataBuilder::schema().clone()));
    Arc::clone(&SCHEMA)
}

/// The facts with these numbers, all for none. Numbers nobody knows are left out.
pub(super) fn sql_info(numbers: &[u32]) -> Result<RecordBatch, ArrowError> {
    let info = INFO.as_ref().map_err(|error| ArrowError::ComputeError(error.clone()))?;
    info.record_batch(numbers.iter().copied()).map_err(|error| match error {
        FlightError::Arrow(error) => error,
        other => ArrowError::ComputeError(other.to_string()),
    })
}

fn info() -> SqlInfoDataBuilder {
    let mut info = SqlInfoDataBuilder::new();
    server(&mut info);
    names(&mut info);
    functions(&mut info);
    grammar(&mut info);
    limits(&mut info);
    info
}

fn server(info: &mut SqlInfoDataBuilder) {
    info.append(SqlInfo::FlightSqlServerName, "Arbalest");
    info.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    // Locations are read in place, there are no tables to write to yet.
    info.append(SqlInfo::FlightSqlServerReadOnly, true);
    info.append(SqlInfo::FlightSqlServerSql, true);
    info.append(SqlInfo::FlightSqlServerSubstrait, false);
    info.append(SqlInfo::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    info.append(SqlInfo::FlightSqlServerCancel, true);
    info.append(SqlInfo::FlightSqlServerBulkIngestion, false);
    info.append(SqlInfo::FlightSqlServerIngestTransactionsSupported, false);
    // Milliseconds, 0 for none.
    info.append(SqlInfo::FlightSqlServerStatementTimeout, 0i32);
    info.append(SqlInfo::FlightSqlServerTransactionTimeout, 0i32);
    info.append(SqlInfo::SqlTransactionsSupported, false);
    info.append(SqlInfo::SqlBatchUpdatesSupported, true);
    info.append(SqlInfo::SqlSavepointsSupported, false);
    info.append(SqlInfo::SqlNamedParametersSupported, false);
}

fn names(info: &mut SqlInfoDataBuilder) {
    info.append(SqlInfo::SqlDdlCatalog, false);
    info.append(SqlInfo::SqlDdlSchema, false);
    info.append(SqlInfo::SqlDdlTable, false);
    info.append(SqlInfo::SqlIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase as i32);
    info.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    // Quoted names keep their case, for which the protocol has no word.
    info.append(SqlInfo::SqlQuotedIdentifierCase, SqlSupportedCaseSensitivity::SqlCaseSensitivityUnknown as i32);
    info.append(SqlInfo::SqlAllTablesAreSelectable, true);
    info.append(SqlInfo::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    info.append(SqlInfo::SqlSearchStringEscape, "\\");
    info.append(SqlInfo::SqlExtraNameCharacters, "$");
    info.append(SqlInfo::SqlSchemaTerm, "schema");
    info.append(SqlInfo::SqlProcedureTerm, "procedure");
    info.append(SqlInfo::SqlCatalogTerm, "database");
    info.append(SqlInfo::SqlCatalogAtStart, true);
    info.append(SqlInfo::SqlSchemasSupportedActions, 0i32);
    info.append(SqlInfo::SqlCatalogsSupportedActions, 0i32);
    // Words that are no names unless quoted, beyond those of SQL:2003.
    info.append(SqlInfo::SqlKeywords, words("ANALYZE EXPLAIN ILIKE LIMIT OFFSET QUALIFY RETURNING SHOW"));
}

fn functions(info: &mut SqlInfoDataBuilder) {
    info.append(
        SqlInfo::SqlNumericFunctions,
        words(
            "ABS ACOS ASIN ATAN ATAN2 CEIL COS COT DEGREES EXP FLOOR LN LOG LOG10 PI POWER RADIANS RANDOM ROUND SIGNUM SIN SQRT \
             TAN TRUNC",
        ),
    );
    info.append(
        SqlInfo::SqlStringFunctions,
        words(
            "ASCII BIT_LENGTH BTRIM CHARACTER_LENGTH CHR CONCAT CONCAT_WS INITCAP LEFT LENGTH LEVENSHTEIN LOWER LPAD LTRIM MD5 \
             OCTET_LENGTH OVERLAY POSITION REPEAT REPLACE REVERSE RIGHT RPAD RTRIM SPLIT_PART STRPOS SUBSTRING TRANSLATE UPPER",
        ),
    );
    info.append(SqlInfo::SqlSystemFunctions, words("COALESCE NULLIF VERSION"));
    info.append(
        SqlInfo::SqlDatetimeFunctions,
        words("CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP DATE_BIN DATE_PART DATE_TRUNC EXTRACT MAKE_DATE NOW TO_TIMESTAMP"),
    );
    info.append(SqlInfo::SqlSupportsConvert, conversions());
}

fn grammar(info: &mut SqlInfoDataBuilder) {
    info.append(SqlInfo::SqlSupportsColumnAliasing, true);
    info.append(SqlInfo::SqlNullPlusNullIsNull, true);
    info.append(SqlInfo::SqlSupportsTableCorrelationNames, true);
    info.append(SqlInfo::SqlSupportsDifferentTableCorrelationNames, false);
    info.append(SqlInfo::SqlSupportsExpressionsInOrderBy, true);
    info.append(SqlInfo::SqlSupportsOrderByUnrelated, true);
    let group_by = [SqlSupportedGroupBy::SqlGroupByUnrelated as i32, SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32];
    info.append(SqlInfo::SqlSupportedGroupBy, bits(&group_by));
    info.append(SqlInfo::SqlSupportsLikeEscapeClause, true);
    // Nobody can define columns yet.
    info.append(SqlInfo::SqlSupportsNonNullableColumns, false);
    let grammar = [SupportedSqlGrammar::SqlMinimumGrammar as i32, SupportedSqlGrammar::SqlCoreGrammar as i32];
    info.append(SqlInfo::SqlSupportedGrammar, bits(&grammar));
    info.append(SqlInfo::SqlAnsi92SupportedLevel, bits(&[ANSI92_ENTRY]));
    info.append(SqlInfo::SqlSupportsIntegrityEnhancementFacility, false);
    info.append(SqlInfo::SqlOuterJoinsSupportLevel, SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32);
    info.append(SqlInfo::SqlSupportedPositionedCommands, 0i32);
    info.append(SqlInfo::SqlSelectForUpdateSupported, false);
    info.append(SqlInfo::SqlStoredProceduresSupported, false);
    let subqueries = [
        SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
        SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
        SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
    ];
    info.append(SqlInfo::SqlSupportedSubqueries, bits(&subqueries));
    info.append(SqlInfo::SqlCorrelatedSubqueriesSupported, true);
    info.append(SqlInfo::SqlSupportedUnions, bits(&[SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32]));
    info.append(SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported, false);
}

fn limits(info: &mut SqlInfoDataBuilder) {
    for limit in [
        SqlInfo::SqlMaxBinaryLiteralLength,
        SqlInfo::SqlMaxCharLiteralLength,
        SqlInfo::SqlMaxColumnNameLength,
        SqlInfo::SqlMaxColumnsInGroupBy,
        SqlInfo::SqlMaxColumnsInIndex,
        SqlInfo::SqlMaxColumnsInOrderBy,
        SqlInfo::SqlMaxColumnsInSelect,
        SqlInfo::SqlMaxColumnsInTable,
        SqlInfo::SqlMaxConnections,
        SqlInfo::SqlMaxCursorNameLength,
        SqlInfo::SqlMaxIndexLength,
        SqlInfo::SqlDbSchemaNameLength,
        SqlInfo::SqlMaxProcedureNameLength,
        SqlInfo::SqlMaxCatalogNameLength,
        SqlInfo::SqlMaxRowSize,
        SqlInfo::SqlMaxStatementLength,
        SqlInfo::SqlMaxStatements,
        SqlInfo::SqlMaxTableNameLength,
        SqlInfo::SqlMaxTablesInSelect,
        SqlInfo::SqlMaxUsernameLength,
    ] {
        info.append(limit, NO_LIMIT);
    }
    info.append(SqlInfo::SqlMaxRowSizeIncludesBlobs, true);
}

/// Each type with those that CAST brings it to.
fn conversions() -> BTreeMap<i32, Vec<i32>> {
    use SqlSupportsConvert as C;
    let numbers = [
        C::SqlConvertTinyint,
        C::SqlConvertSmallint,
        C::SqlConvertInteger,
        C::SqlConvertBigint,
        C::SqlConvertReal,
        C::SqlConvertFloat,
        C::SqlConvertDecimal,
        C::SqlConvertNumeric,
    ];
    let texts = [C::SqlConvertChar, C::SqlConvertVarchar, C::SqlConvertLongvarchar];
    let mut conversions = BTreeMap::new();
    for from in numbers {
        conversions.insert(from as i32, numbers.iter().chain(&texts).map(|to| *to as i32).collect());
    }
    let times = [C::SqlConvertDate, C::SqlConvertTime, C::SqlConvertTimestamp];
    for from in texts {
        conversions.insert(from as i32, numbers.iter().chain(&texts).chain(&times).map(|to| *to as i32).collect());
    }
    let from_date = [C::SqlConvertDate, C::SqlConvertTimestamp];
    conversions.insert(C::SqlConvertDate as i32, from_date.iter().chain(&texts).map(|to| *to as i32).collect());
    conversions.insert(C::SqlConvertTimestamp as i32, times.iter().chain(&texts).map(|to| *to as i32).collect());
    conversions
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A bit mask with a bit for each of the enum's values.
fn bits(values: &[i32]) -> i32 {
    values.iter().fold(0, |mask, value| mask | 1 << value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{AsArray, cast::downcast_array};
    use arrow::array::UInt32Array;

    #[test]
    fn an_empty_list_asks_for_all_and_unknown_numbers_are_left_out() {
        let all = sql_info(&[]).expect("info");
        assert_eq!(all.schema(), schema());
        assert!(all.num_rows() > 60);
        let some = sql_info(&[8, 4_000_000_000]).expect("info");
        let numbers: UInt32Array = downcast_array(some.column(0));
        assert_eq!(numbers.values(), &[8]);
        // ADBC reads transactions as int32: 0 is none.
        let value = some.column(1).as_union().value(0);
        assert_eq!(value.as_primitive::<arrow::datatypes::Int32Type>().value(0), 0);
    }
}
