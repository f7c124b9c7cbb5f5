import java.math.BigDecimal;
import java.sql.*;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.postgresql.copy.CopyManager;
import org.postgresql.core.BaseConnection;

/** What Java programs do, each with the answer that it should get; ends with 1 if one is another. */
public final class Check {
    private static final int ROWS = 200_000;
    private static int wrong;

    private interface Step {
        Object run() throws Exception;
    }

    private static void expect(String name, Object expected, Step step) {
        Object found;
        try {
            found = step.run();
        } catch (Exception error) {
            found = error;
        }
        if (!String.valueOf(expected).equals(String.valueOf(found))) {
            wrong++;
            System.out.println(name + ": expected " + expected + ", found " + found);
        }
    }

    private static List<String> rows(ResultSet rows, String... columns) throws SQLException {
        List<String> all = new ArrayList<>();
        while (rows.next()) {
            List<String> row = new ArrayList<>();
            for (String column : columns) row.add(rows.getString(column));
            all.add(String.join(" ", row));
        }
        return all;
    }

    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        properties.setProperty("user", "me");
        Connection connection = DriverManager.getConnection(arguments[0], properties);
        Statement statement = connection.createStatement();
        DatabaseMetaData metadata = connection.getMetaData();
        statement.execute("CREATE TABLE person (id int PRIMARY KEY, name varchar(20) NOT NULL, born date)");
        statement.execute("CREATE TABLE visit (number int PRIMARY KEY, person int REFERENCES person (id), price numeric(10,2), ratio float8, at timestamp, seen timestamptz, good boolean, raw bytea, parts int[])");
        statement.execute("CREATE INDEX visit_person ON visit (person, at)");
        expect("insert", ROWS, () -> statement.executeUpdate(
            "INSERT INTO visit SELECT i, NULL, i * 1.25, i / 4.0::float8, timestamp '2024-01-01' + i * interval '1 second', timestamptz '2024-01-01 00:00:00+00', i % 2 = 0, '\\x0041'::bytea, array[i, i + 1] FROM generate_series(1, " + ROWS + ") AS g(i)"));

        expect("tables", "[person TABLE, visit TABLE]", () -> rows(metadata.getTables(null, "public", "%", new String[] {"TABLE"}), "TABLE_NAME", "TABLE_TYPE"));
        expect("columns", "[id 4 10 NO, name 12 20 NO, born 91 13 YES]", () -> rows(metadata.getColumns(null, "public", "person", "%"), "COLUMN_NAME", "DATA_TYPE", "COLUMN_SIZE", "IS_NULLABLE"));
        expect("primary key", "[id 1 person_pkey]", () -> rows(metadata.getPrimaryKeys(null, "public", "person"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
        expect("imported keys", "[person id person visit_person_fkey]", () -> rows(metadata.getImportedKeys(null, "public", "visit"), "PKTABLE_NAME", "PKCOLUMN_NAME", "FKCOLUMN_NAME", "FK_NAME"));
        expect("exported keys", "[visit person]", () -> rows(metadata.getExportedKeys(null, "public", "person"), "FKTABLE_NAME", "FKCOLUMN_NAME"));
        expect("indexes", "[visit_pkey number, visit_person person, visit_person at]", () -> rows(metadata.getIndexInfo(null, "public", "visit", false, false), "INDEX_NAME", "COLUMN_NAME"));
        expect("schemas", true, () -> rows(metadata.getSchemas(), "TABLE_SCHEM").contains("public"));

        PreparedStatement query = connection.prepareStatement("SELECT number, price, ratio, at, seen, good, raw, parts FROM visit WHERE number = ? AND at > ? AND price < ?");
        for (int number = 1; number <= 10; number++) {
            int wanted = number;
            expect("row " + number, wanted + " " + new BigDecimal(wanted * 125).movePointLeft(2) + " " + wanted / 4.0 + " 2024-01-01 00:00:" + String.format("%02d", wanted) + ".0 2024-01-01T00:00Z "
                + (wanted % 2 == 0) + " 0,65 " + (wanted + 1), () -> {
                query.setInt(1, wanted);
                query.setTimestamp(2, Timestamp.valueOf("2023-01-01 00:00:00"));
                query.setBigDecimal(3, new BigDecimal("1000.5"));
                try (ResultSet found = query.executeQuery()) {
                    found.next();
                    byte[] raw = found.getBytes("raw");
                    Integer[] parts = (Integer[]) found.getArray("parts").getArray();
                    return found.getInt(1) + " " + found.getBigDecimal(2) + " " + found.getDouble(3) + " " + found.getTimestamp(4) + " "
                        + found.getObject(5, OffsetDateTime.class) + " " + found.getBoolean(6) + " " + raw[0] + "," + raw[1] + " " + parts[1];
                }
            });
        }
        expect("dates", 1, () -> {
            PreparedStatement insert = connection.prepareStatement("INSERT INTO person VALUES (?, ?, ?)");
            insert.setInt(1, 1);
            insert.setString(2, "Ada");
            insert.setDate(3, Date.valueOf("1815-12-10"));
            insert.executeUpdate();
            PreparedStatement find = connection.prepareStatement("SELECT count(*) FROM person WHERE born = ?");
            find.setDate(1, Date.valueOf("1815-12-10"));
            ResultSet found = find.executeQuery();
            found.next();
            return found.getInt(1);
        });
        expect("rows in portions", ROWS, () -> {
            connection.setAutoCommit(false);
            Statement portions = connection.createStatement();
            portions.setFetchSize(1000);
            int count = 0;
            try (ResultSet found = portions.executeQuery("SELECT * FROM visit")) {
                while (found.next()) count++;
            }
            connection.commit();
            connection.setAutoCommit(true);
            return count;
        });
        expect("batch", "100 1", () -> {
            PreparedStatement insert = connection.prepareStatement("INSERT INTO person (id, name) VALUES (?, ?)");
            for (int i = 0; i < 100; i++) {
                insert.setInt(1, 100 + i);
                insert.setString(2, "é" + i);
                insert.addBatch();
            }
            int[] counts = insert.executeBatch();
            return counts.length + " " + counts[99];
        });
        expect("a batch fails as a whole", "23502 0", () -> {
            PreparedStatement insert = connection.prepareStatement("INSERT INTO person (id, name) VALUES (?, ?)");
            for (String name : new String[] {"x", null, "y"}) {
                insert.setInt(1, 1000);
                insert.setString(2, name);
                insert.addBatch();
            }
            try {
                insert.executeBatch();
                return "no error";
            } catch (BatchUpdateException error) {
                ResultSet found = statement.executeQuery("SELECT count(*) FROM person WHERE id = 1000");
                found.next();
                return error.getSQLState() + " " + found.getInt(1);
            }
        });
        expect("returned keys", 500, () -> {
            PreparedStatement insert = connection.prepareStatement("INSERT INTO person (id, name) VALUES (500, 'k')", Statement.RETURN_GENERATED_KEYS);
            insert.executeUpdate();
            ResultSet keys = insert.getGeneratedKeys();
            keys.next();
            return keys.getInt("id");
        });
        expect("savepoint", "102 102", () -> {
            connection.setAutoCommit(false);
            Savepoint before = connection.setSavepoint();
            statement.executeUpdate("DELETE FROM person");
            connection.rollback(before);
            ResultSet found = statement.executeQuery("SELECT count(*) FROM person");
            found.next();
            int within = found.getInt(1);
            connection.rollback();
            connection.setAutoCommit(true);
            found = statement.executeQuery("SELECT count(*) FROM person");
            found.next();
            return within + " " + found.getInt(1);
        });
        expect("query timeout", "57014", () -> {
            Statement slow = connection.createStatement();
            slow.setQueryTimeout(1);
            try {
                slow.executeQuery("SELECT count(*) FROM visit AS a, visit AS b WHERE a.price + b.price < 0");
                return "no timeout";
            } catch (SQLException error) {
                return error.getSQLState();
            }
        });
        expect("cancel", "57014", () -> {
            Statement slow = connection.createStatement();
            Thread canceler = new Thread(() -> {
                try {
                    Thread.sleep(500);
                    slow.cancel();
                } catch (Exception error) {
                    throw new IllegalStateException(error);
                }
            });
            canceler.start();
            try {
                slow.executeQuery("SELECT count(*) FROM visit AS a, visit AS b WHERE a.price + b.price < 0");
                return "not cancelled";
            } catch (SQLException error) {
                return error.getSQLState();
            } finally {
                canceler.join();
            }
        });
        expect("columns of a result", "visit.number int4 visit.price numeric(10,2) .count int8", () -> {
            ResultSetMetaData found = connection.prepareStatement("SELECT number, price, count(*) OVER () FROM visit").getMetaData();
            return found.getTableName(1) + "." + found.getColumnName(1) + " " + found.getColumnTypeName(1) + " " + found.getTableName(2) + "." + found.getColumnName(2) + " "
                + found.getColumnTypeName(2) + "(" + found.getPrecision(2) + "," + found.getScale(2) + ") " + found.getTableName(3) + "." + found.getColumnName(3) + " " + found.getColumnTypeName(3);
        });
        expect("copy", "2 2 600,601", () -> {
            CopyManager copy = new CopyManager((BaseConnection) connection);
            long in = copy.copyIn("COPY person (id, name) FROM STDIN (FORMAT csv)", new java.io.StringReader("600,a\n601,\"b, c\"\n"));
            java.io.StringWriter text = new java.io.StringWriter();
            long out = copy.copyOut("COPY (SELECT id FROM person WHERE id >= 600 ORDER BY id) TO STDOUT", text);
            return in + " " + out + " " + text.toString().trim().replace('\n', ',');
        });
        System.out.println(wrong == 0 ? "all as expected" : wrong + " wrong");
        System.exit(wrong == 0 ? 0 : 1);
    }
}
