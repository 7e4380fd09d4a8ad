-- The platform's schema as its own Alembic revisions leave it, head 02bc375f16d5.
CREATE TYPE campaignstatus AS ENUM ('CREATED', 'RUNNING', 'COMPLETED', 'FAILED', 'PAUSED');
CREATE TYPE jobstatus AS ENUM ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED', 'PAUSED');
CREATE TYPE jobtype AS ENUM ('FETCH_LEADS', 'ENRICH_LEAD', 'CLEANUP_CAMPAIGN');

CREATE TABLE alembic_version (
    version_num varchar(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('02bc375f16d5');

CREATE TABLE organizations (
    id varchar(36) PRIMARY KEY,
    name varchar(255) NOT NULL,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id varchar(36) PRIMARY KEY,
    email varchar(255) NOT NULL,
    name varchar(255),
    password bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ix_users_email ON users (email);

CREATE TABLE campaigns (
    id varchar(36) PRIMARY KEY,
    name varchar(255) NOT NULL,
    description text,
    status campaignstatus NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    organization_id varchar(36) NOT NULL REFERENCES organizations (id),
    status_message text,
    status_error text,
    completed_at timestamptz,
    failed_at timestamptz,
    "fileName" varchar(255) NOT NULL,
    "totalRecords" integer NOT NULL,
    url text NOT NULL,
    instantly_campaign_id varchar(64)
);

CREATE TABLE jobs (
    id serial PRIMARY KEY,
    task_id varchar,
    name varchar NOT NULL,
    description text,
    status jobstatus NOT NULL,
    result text,
    error text,
    created_at timestamptz DEFAULT now(),
    updated_at timestamptz,
    completed_at timestamptz,
    campaign_id varchar(36) REFERENCES campaigns (id),
    job_type jobtype NOT NULL DEFAULT 'FETCH_LEADS'
);
CREATE UNIQUE INDEX ix_jobs_task_id ON jobs (task_id);
CREATE INDEX ix_jobs_campaign_id ON jobs (campaign_id);
CREATE INDEX ix_jobs_job_type ON jobs (job_type);

CREATE TABLE leads (
    id varchar(36) PRIMARY KEY,
    campaign_id varchar(36) NOT NULL REFERENCES campaigns (id),
    first_name varchar(100),
    last_name varchar(100),
    email varchar(255),
    phone varchar(50),
    company varchar(255),
    title varchar(255),
    linkedin_url varchar(255),
    source_url varchar(255),
    raw_data json,
    email_verification json,
    enrichment_results json,
    enrichment_job_id varchar(36),
    email_copy_gen_results json,
    instantly_lead_record json,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX ix_leads_email ON leads (email) WHERE email IS NOT NULL;
