-- Written by generate.py: the tables of lake/ for PostgreSQL.
CREATE TABLE employees ("id" integer, "name" text, "department" text, "manager_id" integer, "salary" numeric(10,2), "hired" date, "rating" double precision, "active" boolean);
INSERT INTO employees VALUES
  (1, 'Ada', 'ENG', NULL, 9200.00, '2015-03-01', '4.5', true),
  (2, 'Bjarne', 'ENG', 1, 8100.50, '2016-07-15', '4.25', true),
  (3, 'Chloé', 'OPS', 1, 6400.00, '2018-01-31', '3.5', true),
  (4, 'Dmitri', 'OPS', 3, 5150.25, '2019-12-31', NULL, false),
  (5, 'Edsger', 'ENG', 2, 7300.75, '2020-02-29', '5.0', true),
  (6, 'Frances', 'RES', 1, 8800.00, '2017-11-05', '4.75', true),
  (7, 'Grace', 'RES', 6, 8800.00, '2021-06-01', '4.75', true),
  (8, 'Hedy', NULL, 1, 4000.00, '2022-08-20', '2.0', false),
  (9, 'Ivan', 'OPS', 3, NULL, '2023-04-10', '3.0', true),
  (10, 'José', 'SAL', 1, 3900.10, '2023-04-10', NULL, true),
  (11, 'Katherine', 'RES', 6, 9100.00, NULL, '4.0', true),
  (12, 'Linus', 'ENG', 2, 7300.75, '2024-01-02', '3.75', NULL);
CREATE TABLE departments ("code" text, "title" text, "budget" bigint, "city" text);
INSERT INTO departments VALUES
  ('ENG', 'Engineering', 500000, 'Zürich'),
  ('OPS', 'Operations', 250000, 'Genève'),
  ('RES', 'Research, basic', 750000, 'Zürich'),
  ('LEG', 'Legal "and" compliance', 90000, 'Bern');
CREATE TABLE orders ("id" bigint, "employee_id" bigint, "amount" double precision, "note" text, "tags" text[]);
INSERT INTO orders VALUES
  (100, 10, '12.5', 'first', ARRAY['new', 'web']::text[]),
  (101, 10, '99.75', NULL, ARRAY['web']::text[]),
  (102, 3, '250.0', 'rush; paid', ARRAY[]::text[]),
  (103, 4, '0.5', '', NULL),
  (104, 99, '40.0', 'no such employee', ARRAY['web', 'ghost']::text[]),
  (105, 10, '12.5', 'again', ARRAY['new']::text[]),
  (106, NULL, '7.25', 'anonymous', ARRAY['web', 'new']::text[]);
CREATE TABLE readings ("sensor" text, "taken" timestamp, "value" double precision);
INSERT INTO readings VALUES
  ('north', '2024-01-01T00:00:00', '10.0'),
  ('north', '2024-01-01T06:00:00', '11.5'),
  ('north', '2024-01-01T12:00:00', '10.0'),
  ('north', '2024-01-01T18:00:00', '11.5'),
  ('north', '2024-01-02T00:00:00', '10.0'),
  ('north', '2024-01-02T06:00:00', '11.5'),
  ('north', '2024-01-02T12:00:00', '10.0'),
  ('north', '2024-01-02T18:00:00', '11.5'),
  ('south', '2024-01-01T00:00:00', '20.0'),
  ('south', '2024-01-01T08:00:00', '22.0'),
  ('south', '2024-01-01T16:00:00', '21.0'),
  ('south', '2024-01-02T00:00:00', '20.0'),
  ('south', '2024-01-02T08:00:00', '22.0'),
  ('south', '2024-01-02T16:00:00', '21.0');
CREATE TABLE types ("id" integer, "truth" boolean, "small" smallint, "middle" integer, "large" bigint, "single" real, "double" double precision, "exact" numeric(38,10), "words" text, "bytes" bytea, "day" date, "clock" time, "moment" timestamp, "instant" timestamptz, "numbers" bigint[], "labels" text[]);
INSERT INTO types VALUES
  (1, true, 1, 1, 1, '1.5', '0.1', 1.5000000000, 'one', '\x0001ff', '2000-01-01', '00:00:00', '2000-01-01T00:00:00', '2000-01-01T00:00:00+00:00', ARRAY[1, 2, 3]::bigint[], ARRAY['a', 'b']::text[]),
  (2, false, -32768, -2147483648, -9223372036854775808, '-3.25', '-1e+300', -9999999999999999999999999999.9999999999, '', '\x', '1582-10-15', '23:59:59.999999', '1969-12-31T23:59:59.999999', '1900-01-01T12:00:00+00:00', ARRAY[]::bigint[], ARRAY[]::text[]),
  (3, NULL, 32767, 2147483647, 9223372036854775807, '1.000000013351432e-10', '1e-07', 9999999999999999999999999999.9999999999, 'quote " comma , brace { back \ tab	here', '\x000102030405060708090a0b0c0d0e0f', '9999-12-31', '12:34:56.500000', '9999-12-31T23:59:59', '2024-02-29T23:59:59.123456+00:00', ARRAY[NULL, -1]::bigint[], ARRAY['', 'NULL', 'with space', 'a"b', 'c\d', '{}', NULL]::text[]),
  (4, true, 0, 0, 0, 'inf', 'nan', 0E-10, 'žluťoučký kůň 馬 🐎', '\xc5be', '0001-01-01', '01:02:03', '0001-01-01T00:00:01', '1970-01-01T00:00:00+00:00', ARRAY[9223372036854775807]::bigint[], ARRAY['馬']::text[]),
  (5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE events ("id" bigint, "kind" text, "points" integer, "year" integer, "month" integer);
INSERT INTO events VALUES
  (202410, 'open', 10, 2023, 11),
  (202411, 'click', 11, 2023, 11),
  (202412, 'close', 12, 2023, 11),
  (202420, 'open', 20, 2023, 12),
  (202421, 'click', 21, 2023, 12),
  (202422, 'close', 22, 2023, 12),
  (202410, 'open', 30, 2024, 1),
  (202411, 'click', 31, 2024, 1),
  (202412, 'close', 32, 2024, 1);
CREATE TABLE visits ("page" text, "visitor" bigint, "seconds" double precision);
INSERT INTO visits VALUES
  ('/a', 0, NULL),
  ('/b', 1, '1.5'),
  ('/c', 2, '3.0'),
  ('/a', 3, '4.5'),
  ('/b', 0, '6.0'),
  ('/c', 1, NULL),
  ('/a', 2, '9.0'),
  ('/b', 3, '10.5'),
  ('/c', 0, '12.0'),
  ('/a', 1, '13.5'),
  ('/b', 2, NULL),
  ('/c', 3, '16.5'),
  ('/a', 0, '18.0'),
  ('/b', 1, '19.5'),
  ('/c', 2, '21.0'),
  ('/a', 3, NULL),
  ('/b', 0, '24.0'),
  ('/c', 1, '25.5'),
  ('/a', 2, '27.0'),
  ('/b', 3, '28.5');
CREATE TABLE cities ("city" text, "country" text, "inhabitants" bigint);
INSERT INTO cities VALUES
  ('Zürich', 'CH', 427721),
  ('Genève', 'CH', 203856),
  ('Bern', 'CH', 134794),
  ('Lyon', 'FR', 522250),
  ('Como', 'IT', NULL);
CREATE TABLE "Sales 2024" ("Region" text, "select" bigint, "two words" double precision);
INSERT INTO "Sales 2024" VALUES
  ('north', 1, '1.25'),
  ('south', 2, '2.5'),
  ('south', 3, NULL);
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;
CREATE FUNCTION levenshtein_ratio(a text, b text) RETURNS float8 LANGUAGE sql IMMUTABLE AS
  'SELECT CASE WHEN a IS NULL OR b IS NULL THEN NULL WHEN greatest(length(a), length(b)) = 0 THEN 1
          ELSE 1 - levenshtein(a, b)::float8 / greatest(length(a), length(b)) END';
