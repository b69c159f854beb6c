"""Delta Lake and object_store, which commit by conditional puts, against one endpoint; ends non-zero at the first surprise."""
import io
import os
import sys
import threading

import obstore
import pyarrow
from deltalake import DeltaTable, write_deltalake
from obstore.store import S3Store

endpoint = sys.argv[1]
MIB = 1 << 20
keys = {"access_key_id": os.environ["AWS_ACCESS_KEY_ID"], "secret_access_key": os.environ["AWS_SECRET_ACCESS_KEY"]}
options = {"client_options": {"allow_http": True}}


def refused(kind, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except kind:
        return
    raise AssertionError(f"expected {kind}")


# --- object_store ---
maker = S3Store("tables", endpoint=endpoint, region="us-east-1", **keys, **options)
odd = "a b/ü+%25.txt"
first = obstore.put(maker, odd, b"1", mode="create")
refused(obstore.exceptions.AlreadyExistsError, obstore.put, maker, odd, b"2", mode="create")
obstore.put(maker, odd, b"2", mode={"e_tag": first["e_tag"]}, use_multipart=False)
refused(obstore.exceptions.PreconditionError, obstore.put, maker, odd, b"3", mode={"e_tag": first["e_tag"]}, use_multipart=False)
assert bytes(obstore.get(maker, odd).bytes()) == b"2"
big = os.urandom(12 * MIB)
obstore.put(maker, "big", io.BytesIO(big), chunk_size=5 * MIB)
assert bytes(obstore.get(maker, "big").bytes()) == big
assert [bytes(one) for one in obstore.get_ranges(maker, "big", starts=[0, 9 * MIB], ends=[10, 9 * MIB + 5])] == [big[:10], big[9 * MIB : 9 * MIB + 5]]
refused(obstore.exceptions.NotModifiedError, obstore.get, maker, "big", options={"if_none_match": obstore.head(maker, "big")["e_tag"]})
listed = obstore.list_with_delimiter(maker)
assert ([one["path"] for one in listed["objects"]], list(listed["common_prefixes"])) == (["big"], ["a b"]), listed

# --- Delta Lake: writers of the same moment, of whom one wins each version and the others try the next one ---
storage = {
    "AWS_ACCESS_KEY_ID": keys["access_key_id"],
    "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
    "AWS_ENDPOINT_URL": endpoint,
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
    "aws_conditional_put": "etag",
}
table = "s3://tables/delta"
write_deltalake(table, pyarrow.table({"a": range(100), "p": [at % 3 for at in range(100)]}), partition_by=["p"], storage_options=storage)
made, failed = [], []


def append(writer):
    for at in range(4):
        try:
            row = pyarrow.table({"a": [1000 + 10 * writer + at], "p": [writer % 3]})
            write_deltalake(table, row, mode="append", storage_options=storage)
            made.append(1000 + 10 * writer + at)
        except Exception as failure:  # a writer that loses again and again gives up, and then its row is not there
            failed.append(failure)


writers = [threading.Thread(target=append, args=(writer,)) for writer in range(4)]
for writer in writers:
    writer.start()
for writer in writers:
    writer.join()
read = DeltaTable(table, storage_options=storage)
rows = read.to_pyarrow_table()
assert sorted(value for value in rows["a"].to_pylist() if value >= 1000) == sorted(made), (made, failed)
assert len(made) > 0 and read.version() == len(made), (read.version(), made, failed)
read.delete("a < 10")
read.optimize.compact()
read.create_checkpoint()
read.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
assert DeltaTable(table, storage_options=storage).to_pyarrow_table().num_rows == rows.num_rows - 10
print("all calls answered as expected")
