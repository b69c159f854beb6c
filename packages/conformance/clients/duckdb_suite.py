"""DuckDB reads and writes Parquet and CSV through its S3 settings: one file, by parts, in partitions, by patterns. Argument: the endpoint."""
import os
import pathlib
import sys
import urllib.parse

import duckdb
import duckdb_ext

endpoint = urllib.parse.urlsplit(sys.argv[1])
folder = pathlib.Path(list(duckdb_ext.__path__)[0])
(extension,) = folder.glob("extensions/*/*/httpfs.duckdb_extension")
db = duckdb.connect()
db.load_extension(str(extension))
db.execute(
    f"""CREATE SECRET store (TYPE s3, KEY_ID '{os.environ["AWS_ACCESS_KEY_ID"]}', SECRET '{os.environ["AWS_SECRET_ACCESS_KEY"]}',
        ENDPOINT '{endpoint.netloc}', URL_STYLE 'path', USE_SSL false, REGION 'us-east-1')"""
)


def one(query):
    return db.execute(query).fetchone()


def refused(query, words):
    try:
        db.execute(query)
    except duckdb.Error as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"not refused: {query}")


# A table of a few megabytes, so that it goes up by parts; and what comes back is what it was.
db.execute(
    "CREATE TABLE made AS SELECT i AS id, md5(i::VARCHAR) || md5((i * 7)::VARCHAR) AS text, i % 7 AS day, i * 1.5 AS price FROM range(400000) t(i)"
)
expected = one("SELECT count(*), sum(hash(id, text, day, price)) FROM made")
db.execute("COPY made TO 's3://duck/made.parquet' (FORMAT parquet)")
assert one("SELECT count(*), sum(hash(id, text, day, price)) FROM 's3://duck/made.parquet'") == expected

# A query that needs a few columns and rows reads ranges only.
assert one("SELECT max(price) FROM 's3://duck/made.parquet' WHERE id BETWEEN 1000 AND 1010") == (1515.0,)

# Partitions, read again by a pattern, with the columns that the names of the folders say.
db.execute("COPY made TO 's3://duck/days' (FORMAT parquet, PARTITION_BY (day))")
assert one("SELECT count(*), count(DISTINCT day) FROM read_parquet('s3://duck/days/*/*.parquet', hive_partitioning = true)") == (400000, 7)
assert one("SELECT min(id) FROM read_parquet('s3://duck/days/**/*.parquet', hive_partitioning = true) WHERE day = 3") == (3,)
assert one("SELECT count(*) FROM glob('s3://duck/days/*/*.parquet')")[0] >= 7

# Text, under a name that has to be encoded; what is there is not written over in silence, and what is not there is told.
db.execute("COPY (SELECT 1 AS a, 'ü' AS b) TO 's3://duck/a b/ü+1.csv' (HEADER)")
assert one("SELECT a, b FROM read_csv('s3://duck/a b/ü+1.csv')") == (1, "ü")
refused("SELECT * FROM 's3://duck/none.parquet'", "404")
refused("COPY (SELECT 1 AS a) TO 's3://missing/a.csv'", "404")
