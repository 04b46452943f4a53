"""An S3 of one's own: moto's server in a thread of this process, on a free port, with one empty bucket.

Airflow remembers the storage of a connection for as long as a process lives, so the server does too.

with s3_server() as lake:
    lake.uri("checks")        # s3://lake@lake/checks, by the Airflow connection "lake"
"""

from __future__ import annotations

import atexit
import functools
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import requests
from moto.server import ThreadedMotoServer

BUCKET = "lake"
CONN_ID = "lake"


@dataclass(frozen=True)
class Lake:
    """A bucket.

    :param client: boto3's client of its server.
    :param environment: the variable that makes it Airflow's connection ``lake``.
    """

    client: Any
    environment: dict[str, str]

    def uri(self, key: str) -> str:
        return f"s3://{CONN_ID}@{BUCKET}/{key}"

    def put(self, key: str, content: bytes) -> str:
        """Store an object and return its URI."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)
        return self.uri(key)

    def get(self, key: str) -> bytes:
        return bytes(self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def listing(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return sorted(entry["Key"] for entry in found)


@contextmanager
def s3_server() -> Iterator[Lake]:
    """Empty the server and make it Airflow's connection ``lake`` in this process and those it starts."""
    url = _running()
    requests.post(f"{url}/moto-api/reset").raise_for_status()
    keys = {"aws_access_key_id": "a-key-of-tests", "aws_secret_access_key": "a-secret-of-tests"}
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
    client.create_bucket(Bucket=BUCKET)
    extra = {"endpoint_url": url, "region_name": "us-east-1"}
    login, password = keys.values()
    connection = {"conn_type": "aws", "login": login, "password": password, "extra": extra}
    environment = {f"AIRFLOW_CONN_{CONN_ID.upper()}": json.dumps(connection)}
    os.environ.update(environment)
    try:
        yield Lake(client, environment)
    finally:
        for name in environment:
            os.environ.pop(name, None)


@functools.cache
def _running() -> str:
    """Start the server of this process and return its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    return "http://{}:{}".format(*server.get_host_and_port())
