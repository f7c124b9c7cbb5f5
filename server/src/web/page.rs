//! The start page: which version this is and how to connect.

use process::build_info;

use crate::Addresses;

/// HTML without a single value that a user could choose.
pub(super) fn render(addresses: &Addresses) -> String {
    let mut recipes = String::new();
    if let Some(address) = addresses.postgres {
        let (host, port) = (address.ip(), address.port());
        recipes.push_str(&recipe("psql", &format!("psql -h {host} -p {port} -U arbalest arbalest")));
        recipes.push_str(&recipe("JDBC", &format!("jdbc:postgresql://{address}/arbalest?user=arbalest")));
    }
    if let Some(address) = addresses.flight {
        let program = format!(
            "import adbc_driver_flightsql.dbapi as flight_sql\n\
             connection = flight_sql.connect(\"grpc://{address}\")\n\
             cursor = connection.cursor()\n\
             cursor.execute(\"SELECT 1\")\n\
             print(cursor.fetch_arrow_table())"
        );
        recipes.push_str(&recipe("Python, Arrow Flight SQL", &program));
    }
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Arbalest</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}}\
         pre{{background:#8881;padding:.75rem;overflow:auto}}</style>\
         <h1>Arbalest {}</h1>{recipes}\
         <p><a href=\"/ready\">ready</a> · <a href=\"/live\">live</a> · <a href=\"/metrics\">metrics</a></p></html>\n",
        build_info::VERSION
    )
}

fn recipe(client: &str, text: &str) -> String {
    format!("<h2>{client}</h2><pre>{text}</pre>")
}
