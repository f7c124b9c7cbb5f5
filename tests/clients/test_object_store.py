"""Tables in a bucket of an S3 server that is not ours: moto, which checks paths, ranges, lists and conditions."""

import pathlib

import arbalest
import boto3
import duckdb
import psycopg
import pytest
from answers import assert_same_rows
from moto.server import ThreadedMotoServer

BUCKET = "lake"
# A count, joins with small and large sides, subqueries, strings.
QUERIES = [1, 3, 9, 13, 16, 21, 22]


@pytest.fixture(scope="module")
def store():
    """The endpoint of an empty S3 server."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="module")
def bucket(store, server):
    """The sample's files under tpch/, and single files of other formats."""
    client = boto3.client(
        "s3", endpoint_url=store, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket=BUCKET)
    for table, files in server.tpch_files().items():
        for file in files:
            client.upload_file(file, BUCKET, f"tpch/{table}/{pathlib.Path(file).name}")
    for name in ["cities.csv.gz", "employees.parquet", "purchases.jsonl"]:
        client.upload_file(str(arbalest.LAKE / name), BUCKET, f"files of all kinds/{name}")
    return client


@pytest.fixture(scope="module")
def remote(store, bucket):
    environment = {
        "AWS_ENDPOINT_URL": store,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    locations = [f"s3://{BUCKET}/tpch/", f"s3://{BUCKET}/files%20of%20all%20kinds/"]
    with arbalest.Server(*locations, environment=environment) as server:
        yield server


@pytest.mark.parametrize("mode", ["local", "distributed"])
@pytest.mark.parametrize("number", QUERIES)
def test_tpch(server, remote, mode, number):
    duck = duckdb.connect()
    for table, files in server.tpch_files().items():
        duck.read_parquet(files).create_view(table)
    expected = duck.execute(arbalest.tpch_query(number)).fetchall()
    with psycopg.connect(remote.dsn, autocommit=True) as connection:
        connection.execute(f"SET arbalest.execution_mode = '{mode}'")
        assert_same_rows(connection.execute(arbalest.tpch_query(number)).fetchall(), expected)


@pytest.mark.parametrize("table", ["cities", "employees", "purchases"])
def test_other_formats(server, remote, table):
    query = f"SELECT * FROM {table}"
    with psycopg.connect(server.dsn) as here, psycopg.connect(remote.dsn) as there:
        expected = sorted(here.execute(query).fetchall(), key=str)
        assert expected and sorted(there.execute(query).fetchall(), key=str) == expected


def test_an_object_that_is_replaced_is_read_anew(remote, bucket):
    before = arbalest.LAKE / "cities.csv.gz"
    key = "files of all kinds/cities.csv.gz"
    with psycopg.connect(remote.dsn, autocommit=True) as connection:
        count = connection.execute("SELECT count(*) FROM cities").fetchone()
        bucket.delete_object(Bucket=BUCKET, Key=key)
        with pytest.raises(psycopg.errors.UndefinedFile):
            connection.execute("SELECT count(*) FROM cities")
        bucket.upload_file(str(before), BUCKET, key)
        assert connection.execute("SELECT count(*) FROM cities").fetchone() == count
