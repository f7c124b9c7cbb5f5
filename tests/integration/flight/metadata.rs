//! Metadata: schemas to the letter, filters, and what drivers read in them.

use arrow::array::{AsArray, BinaryArray};
use arrow::datatypes::{DataType, Schema};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo, ProstMessageExt,
};

use super::client::{Client, decode_schema, lines};
use crate::data;
use crate::server::Server;

/// `name! Type` for a column that is not null.
fn describe(schema: &Schema) -> String {
    let fields = schema.fields().iter().map(|field| {
        let mark = if field.is_nullable() { "" } else { "!" };
        match field.data_type() {
            DataType::Utf8 => format!("{}{mark}", field.name()),
            other => format!("{}{mark} {other}", field.name()),
        }
    });
    fields.collect::<Vec<_>>().join(", ")
}

async fn read(client: &mut Client, command: impl ProstMessageExt + Clone) -> (Schema, Vec<String>) {
    let info = client.info(command.clone()).await.unwrap();
    let (schema, batches) = client.read(&info).await.unwrap();
    assert_eq!(info.try_decode_schema().unwrap(), schema);
    assert_eq!(client.schema(command).await, schema);
    let rows = if schema.fields().iter().any(|field| field.data_type() == &DataType::Binary) { vec![] } else { lines(&batches) };
    (schema, rows)
}

#[tokio::test]
async fn schemas_to_the_letter() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let (schema, rows) = read(&mut client, CommandGetCatalogs {}).await;
    assert_eq!((describe(&schema).as_str(), rows), ("catalog_name!", vec!["arbalest".to_owned()]));
    let (schema, rows) = read(&mut client, CommandGetDbSchemas::default()).await;
    assert_eq!(describe(&schema), "catalog_name, db_schema_name!");
    assert!(rows.contains(&"arbalest public".to_owned()), "{rows:?}");
    let (schema, rows) = read(&mut client, CommandGetTables::default()).await;
    assert_eq!(describe(&schema), "catalog_name, db_schema_name, table_name!, table_type!");
    assert!(rows.contains(&"arbalest public employees TABLE".to_owned()) && rows.is_sorted(), "{rows:?}");
    let (schema, _) = read(&mut client, CommandGetTables { include_schema: true, ..Default::default() }).await;
    assert_eq!(describe(&schema), "catalog_name, db_schema_name, table_name!, table_type!, table_schema! Binary");
    let (schema, rows) = read(&mut client, CommandGetTableTypes {}).await;
    assert_eq!((describe(&schema).as_str(), rows), ("table_type!", vec!["TABLE".to_owned(), "VIEW".to_owned()]));
    let (schema, rows) = read(&mut client, CommandGetPrimaryKeys { table: "employees".into(), ..Default::default() }).await;
    let primary = "catalog_name, db_schema_name, table_name!, column_name!, key_name, key_sequence! Int32";
    assert_eq!((describe(&schema).as_str(), rows.len()), (primary, 0));
    let foreign = "pk_catalog_name, pk_db_schema_name, pk_table_name!, pk_column_name!, fk_catalog_name, fk_db_schema_name, \
                   fk_table_name!, fk_column_name!, key_sequence! Int32, fk_key_name, pk_key_name, update_rule! UInt8, \
                   delete_rule! UInt8";
    for (schema, rows) in [
        read(&mut client, CommandGetExportedKeys { table: "employees".into(), ..Default::default() }).await,
        read(&mut client, CommandGetImportedKeys { table: "employees".into(), ..Default::default() }).await,
        read(&mut client, CommandGetCrossReference { pk_table: "a".into(), fk_table: "b".into(), ..Default::default() }).await,
    ] {
        assert_eq!((describe(&schema).as_str(), rows.len()), (foreign, 0));
    }
    let (schema, rows) = read(&mut client, CommandGetXdbcTypeInfo { data_type: None }).await;
    assert_eq!(schema.fields().len(), 19);
    assert!(rows.iter().any(|row| row.starts_with("BIGINT -5 ")), "{rows:?}");
    let info = client.info(CommandGetSqlInfo { info: vec![8, 0, 504, 99_999] }).await.unwrap();
    let (_, batches) = client.read(&info).await.unwrap();
    let numbers: Vec<u32> = batches[0].column(0).as_primitive::<arrow::datatypes::UInt32Type>().values().to_vec();
    assert_eq!(numbers, [0, 8, 504]);
}

#[tokio::test]
async fn filters() {
    let server = Server::start(&["--sample", "tpch=0.001"]);
    let mut client = Client::connect(server.flight()).await;
    let mut tables = async |catalog: Option<&str>, schema: Option<&str>, table: Option<&str>, types: &[&str]| {
        let command = CommandGetTables {
            catalog: catalog.map(Into::into),
            db_schema_filter_pattern: schema.map(Into::into),
            table_name_filter_pattern: table.map(Into::into),
            table_types: types.iter().map(|kind| kind.to_string()).collect(),
            include_schema: false,
        };
        read(&mut client, command).await.1.len()
    };
    assert_eq!(tables(None, None, None, &[]).await, 8);
    assert_eq!(tables(Some("arbalest"), Some("pub%"), Some("part%"), &["TABLE"]).await, 2);
    assert_eq!(tables(None, None, Some("_ation"), &[]).await, 1);
    assert_eq!(tables(None, None, Some("na\\_ion"), &[]).await, 0);
    assert_eq!(tables(Some(""), None, None, &[]).await, 0);
    assert_eq!(tables(Some("arb%"), None, None, &[]).await, 0);
    assert_eq!(tables(None, Some(""), None, &[]).await, 0);
    assert_eq!(tables(None, None, None, &["VIEW"]).await, 0);
    assert_eq!(tables(None, None, Some("SELECT * FROM t WHERE x LIKE '%(' [\\"), &[]).await, 0);
}

#[tokio::test]
async fn columns_are_described() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    let command = CommandGetTables {
        table_name_filter_pattern: Some("employees".into()),
        include_schema: true,
        ..Default::default()
    };
    let info = client.info(command).await.unwrap();
    let (_, batches) = client.read(&info).await.unwrap();
    let schemas: &BinaryArray = batches[0].column_by_name("table_schema").unwrap().as_binary();
    let schema = decode_schema(&schemas.value(0).to_vec().into());
    let salary = schema.field_with_name("salary").unwrap();
    let metadata = |name: &str| salary.metadata().get(&format!("ARROW:FLIGHT:SQL:{name}")).map(String::as_str);
    assert_eq!(salary.data_type(), &DataType::Decimal128(10, 2));
    assert_eq!((metadata("TYPE_NAME"), metadata("PRECISION"), metadata("SCALE")), (Some("DECIMAL"), Some("10"), Some("2")));
    assert_eq!((metadata("TABLE_NAME"), metadata("SCHEMA_NAME")), (Some("employees"), Some("public")));
    // As a result has it.
    assert_eq!(schema.field_with_name("name").unwrap().data_type(), &DataType::Utf8);
}

/// What SqlInfo says that works.
#[tokio::test]
async fn claims_are_true() {
    let server = Server::start(&[data::lake()]);
    let mut client = Client::connect(server.flight()).await;
    for (sql, expected) in [
        ("SELECT 1 AS \"Mixed Case\"", "1"),
        ("SELECT 'a_b' LIKE 'a!_b' ESCAPE '!'", "true"),
        ("SELECT 'axb' LIKE 'a!_b' ESCAPE '!'", "false"),
        ("SELECT 'a' || NULL IS NULL", "true"),
        ("SELECT count(*) FROM arbalest.public.employees", "12"),
        ("SELECT NAME FROM EMPLOYEES AS x ORDER BY X.ID * -1 DESC LIMIT 1", "Ada"),
        ("SELECT name FROM employees ORDER BY hired - hired, id LIMIT 1", "Ada"),
        ("SELECT n FROM (VALUES (1), (NULL)) AS t (n) ORDER BY n LIMIT 1", "1"),
        ("SELECT max(n) FROM (SELECT count(*) AS n FROM employees GROUP BY department, active) AS t", "3"),
        ("SELECT count(*) FROM employees e FULL OUTER JOIN departments d ON d.code = e.department AND false", "16"),
        ("SELECT count(*) FROM employees WHERE salary = (SELECT max(salary) FROM employees)", "1"),
        ("SELECT count(*) FROM departments WHERE EXISTS (SELECT 1 FROM employees WHERE department = code)", "3"),
        ("SELECT count(*) FROM departments WHERE code IN (SELECT department FROM employees)", "3"),
        ("SELECT count(*) FROM employees e WHERE salary > (SELECT avg(salary) FROM employees WHERE department = e.department)", "4"),
        ("SELECT count(*) FROM (SELECT 1 UNION SELECT 1) AS t", "1"),
        ("SELECT count(*) FROM (SELECT 1 UNION ALL SELECT 1) AS t", "2"),
        ("SELECT CAST(CAST('2024-02-29' AS date) AS timestamp) = CAST('2024-02-29 00:00:00' AS timestamp)", "true"),
        ("SELECT CAST(CAST(1.5 AS decimal(4, 2)) AS varchar)", "1.50"),
    ] {
        match client.rows(sql).await {
            Ok(rows) => assert_eq!(rows, [expected], "{sql}"),
            Err(status) => panic!("{sql}: {}", status.message()),
        }
    }
}
