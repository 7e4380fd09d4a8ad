"""The platform's queries of campaigns, as its API issues them, in a loop.

Each way of binding the status runs on pooled connections until standard input is
closed; then one line of JSON says how often each ran and what failed.
"""

import enum
import itertools
import json
import os
import sys
import threading

import psycopg2
import sqlalchemy as sa
from sqlalchemy import orm


class Status(enum.Enum):
    """The new code's statuses: it has no PAUSED, and fails on a row that has it."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


Base = orm.declarative_base()


class Campaign(Base):
    __tablename__ = "campaigns"
    id = sa.Column(sa.String(36), primary_key=True)
    name = sa.Column(sa.String(255), nullable=False)
    status = sa.Column(sa.Enum(Status, name="campaignstatus", create_type=False), nullable=False)
    organization_id = sa.Column(sa.String(36), nullable=False)
    file_name = sa.Column("fileName", sa.String(255), nullable=False)
    total_records = sa.Column("totalRecords", sa.Integer, nullable=False)
    url = sa.Column(sa.Text, nullable=False)


url = os.environ["DATABASE_URL"]
engine = sa.create_engine(url.replace("postgres://", "postgresql+psycopg2://", 1), pool_size=3)
raw = psycopg2.connect(url)
raw.autocommit = True
names = [s.value for s in Status]


def new_id(i, kind):
    return f"{kind}-{i}"


def orm_objects(i):
    with orm.Session(engine) as session:
        session.add(Campaign(id=new_id(i, "orm"), name="n", status=Status[names[i % 4]], organization_id="o", file_name="f", total_records=1, url="u"))
        session.commit()
    with orm.Session(engine) as session:
        found = session.get(Campaign, new_id(i, "orm"))
        assert found.status is Status[names[i % 4]], found.status
        found.status = Status.COMPLETED
        session.commit()
        assert session.query(Campaign).filter(Campaign.id == found.id, Campaign.status == Status.COMPLETED).count() == 1


def core_text(i):
    with engine.begin() as connection:
        row = connection.execute(
            sa.text(
                """INSERT INTO campaigns (id, name, status, organization_id, "fileName", "totalRecords", url)
                VALUES (:id, 'n', :status, 'o', 'f', 1, 'u') RETURNING id, status"""
            ),
            {"id": new_id(i, "text"), "status": names[i % 4]},
        ).one()
        assert row.status == names[i % 4], row
    with engine.connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM campaigns WHERE id = :id AND status = :status"), {"id": row.id, "status": row.status}).mappings().one()
        assert row["status"] == names[i % 4] and row["fileName"] == "f", dict(row)


def core_cast(i):
    with engine.begin() as connection:
        done = connection.execute(
            sa.text("UPDATE campaigns SET status = CAST(:status AS campaignstatus) WHERE id = :id"), {"id": "fixed", "status": names[i % 4]}
        )
        assert done.rowcount == 1


def driver(i):
    with raw.cursor() as cursor:
        cursor.execute("SELECT status, name FROM campaigns WHERE status::text = ANY (%s) LIMIT 1", (names,))
        assert cursor.fetchone()[0] in names


ways = (orm_objects, core_text, core_cast, driver)
report = {"runs": {w.__name__: 0 for w in ways}, "failures": []}
stop = threading.Event()


def loop(way):
    for i in itertools.count():
        try:
            way(i)
        except Exception as error:  # every failure is what the test wants to know
            report["failures"].append(f"{way.__name__}: {error!r}")
        report["runs"][way.__name__] += 1
        if stop.wait(0.005):
            return


threads = [threading.Thread(target=loop, args=(w,)) for w in ways]
for t in threads:
    t.start()
sys.stdin.read()
stop.set()
for t in threads:
    t.join()
print(json.dumps(report))
