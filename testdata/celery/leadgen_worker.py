"""The platform's Celery application, reduced to what an operator meets: its task
names and signatures, its settings, and its habits with job rows.

Settings come from the environment:
  CELERY_BROKER_URL      broker (Redis or AMQP)
  CELERY_RESULT_BACKEND  results; default: the broker where that is Redis, else none
  DATABASE_URL           PostgreSQL
  LEADGEN_BREAKER_URL    Redis with circuit_breaker:global; empty: never look at it
  LEADGEN_TASK_SECONDS   how long the work of a task takes (default 0)
  LEADGEN_QUEUE          default queue (default "celery")
  LEADGEN_TRANSPORT      broker_transport_options, as JSON
  LEADGEN_READY_FILE     file that is written once the worker consumes

Every execution leaves a row in worker_log.executions, so that a test can count
how often each job really ran.
"""
import json
import os
import time

import psycopg2
import psycopg2.errors
from celery import Celery
from celery.signals import worker_process_init, worker_ready

broker = os.environ["CELERY_BROKER_URL"]
backend = os.environ.get("CELERY_RESULT_BACKEND") or (broker if broker.startswith("redis") else None)
app = Celery("leadgen", broker=broker, backend=backend)
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    result_serializer="json",
    timezone="UTC",
    enable_utc=True,
    task_track_started=True,
    task_time_limit=1800,
    task_soft_time_limit=1500,
    worker_prefetch_multiplier=1,
    result_expires=3600,
    task_default_queue=os.environ.get("LEADGEN_QUEUE") or "celery",
    worker_hijack_root_logger=False,
    broker_transport_options=json.loads(os.environ.get("LEADGEN_TRANSPORT") or "{}"),
)

TASK_SECONDS = float(os.environ.get("LEADGEN_TASK_SECONDS") or 0)
BREAKER_URL = os.environ.get("LEADGEN_BREAKER_URL") or ""

_state = {}


@worker_process_init.connect
def forget_connections(**_):
    """A forked child must not share its parent's sockets."""
    _state.clear()


@worker_ready.connect
def announce(**_):
    path = os.environ.get("LEADGEN_READY_FILE")
    if path:
        with open(path, "w", encoding="ascii") as ready:
            ready.write("ready\n")


def database():
    """The process's connection; SQLAlchemy's spelling of the address is accepted."""
    connection = _state.get("database")
    if connection is None or connection.closed:
        url = os.environ["DATABASE_URL"].replace("postgresql+psycopg2://", "postgresql://", 1)
        connection = psycopg2.connect(url, application_name="leadgen-worker")
        _state["database"] = connection
    return connection


def breaker_open():
    if not BREAKER_URL:
        return False
    if "redis" not in _state:
        import redis

        _state["redis"] = redis.Redis.from_url(BREAKER_URL)
    value = _state["redis"].get("circuit_breaker:global")
    return value is not None and json.loads(value).get("state") == "open"


def log_execution(task, job_id, arguments):
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO worker_log.executions (task_id, task_name, job_id, arguments, worker)"
            " VALUES (%s, %s, %s, %s, %s)",
            (task.request.id, task.name, job_id, json.dumps(arguments), task.request.hostname),
        )


def set_status(job_id, status, error=None, completed=False):
    """The app's habit: the status is set whatever it was before."""
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs SET status = %s, error = %s, updated_at = now(),"
            " completed_at = CASE WHEN %s THEN now() ELSE completed_at END WHERE id = %s",
            (status, error, completed, job_id),
        )


def paused_by_breaker(job_id):
    """A worker that finds the breaker open pauses the job, and sets completed_at too."""
    if not breaker_open():
        return False
    set_status(job_id, "PAUSED", "Job paused: Circuit breaker is open", completed=True)
    return True


def work(job_id):
    set_status(job_id, "PROCESSING")
    if TASK_SECONDS:
        time.sleep(TASK_SECONDS)
    set_status(job_id, "COMPLETED", completed=True)


@app.task(name="process_job_task", bind=True)
def process_job_task(self, job_id, job_type, campaign_id):
    log_execution(self, job_id, {"job_id": job_id, "job_type": job_type, "campaign_id": campaign_id})
    if paused_by_breaker(job_id):
        return {"status": "paused"}
    if job_type != "ENRICH_LEAD":
        work(job_id)
        return {"status": "completed"}
    return hand_over_enrichment(job_id, campaign_id)


def hand_over_enrichment(job_id, campaign_id):
    """Queues enrich_lead_task and stores that task's id on this row. The new task
    inserts a second row with the same task_id: only one of the two can commit."""
    with database() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM leads WHERE enrichment_job_id = %s", (str(job_id),))
        lead = cursor.fetchone()
    if lead is None:
        set_status(job_id, "FAILED", "No lead found for enrichment job", completed=True)
        return {"status": "failed"}
    set_status(job_id, "PROCESSING")
    task = enrich_lead_task.delay(lead[0], campaign_id)
    try:
        with database() as connection, connection.cursor() as cursor:
            cursor.execute("UPDATE jobs SET task_id = %s WHERE id = %s", (task.id, job_id))
    except psycopg2.errors.UniqueViolation as error:
        set_status(job_id, "FAILED", str(error), completed=True)
        return {"status": "failed"}
    return {"status": "processing"}


@app.task(name="fetch_and_save_leads_task", bind=True)
def fetch_and_save_leads_task(self, job_params, campaign_id, job_id):
    log_execution(self, job_id, {"job_params": job_params, "campaign_id": campaign_id, "job_id": job_id})
    if paused_by_breaker(job_id):
        return {"status": "paused"}
    work(job_id)
    return {"status": "completed"}


@app.task(name="enrich_lead_task", bind=True)
def enrich_lead_task(self, lead_id, campaign_id):
    """Inserts its own job row with its own task id and points the lead at it."""
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO jobs (task_id, name, status, campaign_id, job_type, updated_at)"
            " VALUES (%s, 'Enrich lead', 'PROCESSING', %s, 'ENRICH_LEAD', now()) RETURNING id",
            (self.request.id, campaign_id),
        )
        job_id = cursor.fetchone()[0]
        cursor.execute(
            "UPDATE leads SET enrichment_job_id = %s, updated_at = now() WHERE id = %s", (str(job_id), lead_id)
        )
    log_execution(self, job_id, {"lead_id": lead_id, "campaign_id": campaign_id})
    if paused_by_breaker(job_id):
        return {"status": "paused"}
    work(job_id)
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE leads SET enrichment_results = %s WHERE id = %s", (json.dumps({"enriched": True}), lead_id)
        )
    return {"status": "completed"}


@app.task(name="cleanup_campaign_jobs_task", bind=True)
def cleanup_campaign_jobs_task(self, campaign_id, days):
    log_execution(self, None, {"campaign_id": campaign_id, "days": days})
    with database() as connection, connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM jobs WHERE campaign_id = %s AND status IN ('COMPLETED', 'FAILED')"
            " AND created_at < now() - make_interval(days => %s)",
            (campaign_id, days),
        )
        return {"deleted": cursor.rowcount}
