#!/usr/bin/env python3
"""Dumps what pg_catalog and information_schema of Arbalest take from a real PostgreSQL 15, into data/*.tsv.

usage: generate.py CONNECTION          (anything psql understands; an empty database made by initdb --locale=C is best)

relations.tsv   every relation of both schemas: a line "schema name oid kind row_type array_type", then a line per column,
                indented: name, type, "!" if it is never NULL, as PostgreSQL describes it to clients (domains as base types)
other files     COPY text format with a header line: rows that clients read and that no statement can change here; functions
                (regproc) as numbers
"""

import pathlib
import re
import subprocess
import sys

DATA = pathlib.Path(__file__).parent / "data"

# Functions that clients look up, find with \df or join on: what we implement under PostgreSQL's own names, and the
# input and output functions of every type (type loaders join on them).
FUNCTIONS = """
abs age array_agg array_append array_cat array_length array_lower array_position array_positions array_prepend array_remove
array_replace array_to_string array_upper ascii avg bit_and bit_length bit_or bool_and bool_or btrim cardinality cbrt ceil ceiling
char_length character_length chr clock_timestamp coalesce col_description concat concat_ws corr cos count covar_pop covar_samp
cume_dist current_catalog current_database current_schema current_schemas current_setting current_user date_part date_trunc
degrees dense_rank every exp factorial first_value floor format format_type gcd generate_series generate_subscripts
getdatabaseencoding has_any_column_privilege has_column_privilege has_database_privilege has_function_privilege
has_schema_privilege has_sequence_privilege has_table_privilege initcap json_build_object lag last_value lcm lead left length
ln log lower lpad ltrim make_date max md5 min mod mode now nth_value ntile nullif obj_description octet_length percent_rank
percentile_cont percentile_disc pg_advisory_unlock_all pg_backend_pid pg_cancel_backend pg_char_to_encoding
pg_collation_is_visible pg_conversion_is_visible pg_database_size pg_encoding_to_char pg_function_is_visible pg_get_constraintdef
pg_get_expr pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef
pg_get_indexdef pg_get_keywords pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence pg_get_statisticsobjdef_columns
pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_indexes_size pg_is_in_recovery pg_is_other_temp_schema
pg_my_temp_schema pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_partition_ancestors
pg_postmaster_start_time pg_relation_is_publishable pg_relation_size pg_size_pretty pg_table_is_visible pg_table_size
pg_tablespace_location pg_terminate_backend pg_total_relation_size pg_ts_config_is_visible pg_type_is_visible pg_typeof pi
position power quote_ident quote_literal quote_nullable radians random rank regexp_match regexp_matches regexp_replace repeat
replace reverse right round row_number row_to_json rpad rtrim session_user set_config shobj_description sign sin split_part sqrt
starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array strpos substr substring sum tan to_char
to_date to_hex to_number to_regclass to_regnamespace to_regproc to_regtype to_timestamp transaction_timestamp translate trunc
txid_current unnest upper var_pop var_samp variance version width_bucket
""".split()

SETTINGS = """
application_name bytea_output check_function_bodies client_encoding client_min_messages cpu_tuple_cost cursor_tuple_fraction
data_checksums DateStyle deadlock_timeout default_statistics_target default_table_access_method default_tablespace
default_text_search_config default_transaction_deferrable default_transaction_isolation default_transaction_read_only
effective_cache_size effective_io_concurrency enable_hashjoin enable_seqscan extra_float_digits fsync geqo
idle_in_transaction_session_timeout idle_session_timeout in_hot_standby integer_datetimes IntervalStyle jit lc_collate lc_ctype
lc_messages lc_monetary lc_numeric lc_time listen_addresses lock_timeout log_statement maintenance_work_mem max_connections
max_identifier_length max_index_keys max_parallel_workers max_parallel_workers_per_gather password_encryption port
quote_all_identifiers random_page_cost role row_security search_path seq_page_cost server_encoding server_version
server_version_num session_authorization session_replication_role shared_buffers shared_preload_libraries ssl
standard_conforming_strings statement_timeout superuser_reserved_connections synchronize_seqscans synchronous_commit temp_buffers
temp_tablespaces TimeZone timezone_abbreviations transaction_deferrable transaction_isolation transaction_read_only wal_level
work_mem xmlbinary xmloption
""".split()


def quoted(names):
    return ", ".join(f"'{name}'" for name in names)


TYPES = """
    select pg_type.* from pg_type
    where pg_type.typnamespace = 'pg_catalog'::regnamespace and pg_type.typtype in ('b', 'p', 'r', 'm') and pg_type.typrelid = 0
      and not exists (select from pg_type e where e.oid = pg_type.typelem and e.typrelid <> 0 and e.typarray = pg_type.oid)
    order by oid"""

QUERIES = {
    "pg_type": TYPES,
    "pg_range": "select pg_range.* from pg_range order by 1",
    "pg_am": "select pg_am.* from pg_am order by oid",
    "pg_collation": "select pg_collation.* from pg_collation where collname in ('default', 'C', 'POSIX', 'ucs_basic') order by oid",
    "pg_language": "select pg_language.* from pg_language where lanname <> 'plpgsql' order by oid",
    "pg_tablespace": "select pg_tablespace.* from pg_tablespace order by oid",
    "pg_opfamily": "select pg_opfamily.* from pg_opfamily where opfmethod in (403, 405) order by oid",
    "pg_opclass": "select pg_opclass.* from pg_opclass where opcmethod in (403, 405) order by oid",
    "pg_roles": "select pg_roles.* from pg_roles where rolname like 'pg\\_%' order by oid",
    "pg_auth_members": "select pg_auth_members.* from pg_auth_members order by roleid, member",
    "pg_proc": f"""
        select oid, proname, prokind, prosecdef, proleakproof, proisstrict, proretset, provolatile, proparallel, pronargs,
               pronargdefaults, provariadic, prorettype, proargtypes, proallargtypes, proargmodes, proargnames, prosrc
        from pg_proc
        where pronamespace = 'pg_catalog'::regnamespace
          and (proname in ({quoted(FUNCTIONS)})
               or oid in (select f from ({TYPES}) t,
                          unnest(array[typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze, typsubscript]) f)
               or oid in (select amhandler from pg_am) or oid in (select lanvalidator from pg_language)
               or oid in (select rngcanonical from pg_range) or oid in (select rngsubdiff from pg_range))
        order by oid""",
    "pg_settings": f"""
        select name, unit, category, short_desc, context, vartype, min_val, max_val, enumvals, boot_val, setting
        from pg_settings where name in ({quoted(SETTINGS)}) order by lower(name)""",
    "pg_get_keywords": "select * from pg_get_keywords() order by word",
}

RELATIONS = """
    select n.nspname, c.relname, c.oid, c.relkind, c.reltype, coalesce(t.typarray, 0),
           a.attname, b.typname, a.attnotnull
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
         join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
         join pg_type at on at.oid = a.atttypid join pg_type b on b.oid = coalesce(nullif(at.typbasetype, 0), at.oid)
         left join pg_type t on t.oid = c.reltype
    where n.nspname in ('pg_catalog', 'information_schema') and c.relkind in ('r', 'v')
    order by n.nspname desc, c.relname, a.attnum"""


def copy(connection, query, header):
    command = f"copy ({query}) to stdout with (format text{', header' if header else ''})"
    result = subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", connection, "-c", command],
                            check=True, capture_output=True, text=True)
    return result.stdout


def expand_stars(connection, query):
    """`T.*` becomes T's columns, with regproc as oid: names of functions can be ambiguous."""
    def columns(match):
        found = query_lines(connection, f"""
            select '{match[1]}.' || attname || case when atttypid = 'regproc'::regtype then '::oid' else '' end
            from pg_attribute where attrelid = '{match[1]}'::regclass and attnum > 0 order by attnum""")
        return ", ".join(found)
    return re.sub(r"(\w+)\.\*", columns, query)


def query_lines(connection, query):
    return copy(connection, query, header=False).splitlines()


def relations(connection):
    lines, last = [], None
    for line in copy(connection, RELATIONS, header=False).splitlines():
        schema, name, oid, kind, row_type, array_type, column, column_type, not_null = line.split("\t")
        if (schema, name) != last:
            lines.append("\t".join([schema, name, oid, kind, row_type, array_type]))
            last = (schema, name)
        lines.append("\t" + column + "\t" + column_type + ("\t!" if not_null == "t" else ""))
    return "\n".join(lines) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    connection = sys.argv[1]
    DATA.mkdir(exist_ok=True)
    (DATA / "relations.tsv").write_text(relations(connection))
    for name, query in QUERIES.items():
        (DATA / f"{name}.tsv").write_text(copy(connection, expand_stars(connection, query), header=True))


main()
