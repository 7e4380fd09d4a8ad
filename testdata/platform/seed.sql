-- A platform in its old state, as it stands some minutes after Apollo failed, with
-- Perplexity tried again, OpenAI paused by hand and Instantly's pause still running.
-- Times are relative to now(), since the Redis keys that belong to them expire.

-- The organization fixture: every campaign needs one.
INSERT INTO organizations (id, name, description, created_at) VALUES
    ('0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1101', 'Northwind Outreach', 'Agency, three campaigns', now() - interval '90 days'),
    ('0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1102', 'Globex Sales', NULL, now() - interval '30 days');

INSERT INTO users (id, email, name, password) VALUES
    ('5d0c4a7e-2f64-4d2d-8a55-6a1d1c5b2201', 'ops@example.org', 'Olive Operator', '\x00');

INSERT INTO campaigns (id, name, description, status, organization_id, created_at, updated_at, status_message, status_error,
                       completed_at, failed_at, "fileName", "totalRecords", url) VALUES
    ('c1000000-0000-4000-8000-000000000001', 'CTOs in fintech', 'Spring list', 'RUNNING', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1101',
     now() - interval '2 days', now() - interval '3 minutes', 'Fetching leads', NULL, NULL, NULL, 'fintech.csv', 500, 'https://app.apollo.io/#/people?titles=cto'),
    ('c1000000-0000-4000-8000-000000000002', 'Heads of sales, DACH', NULL, 'RUNNING', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1101',
     now() - interval '1 day', now() - interval '9 minutes', 'Enriching leads', NULL, NULL, NULL, 'dach.csv', 200, 'https://app.apollo.io/#/people?titles=sales'),
    ('c1000000-0000-4000-8000-000000000003', 'Recruiters, Benelux', NULL, 'PAUSED', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1101',
     now() - interval '5 days', now() - interval '4 minutes', 'Paused: apollo service unavailable', NULL, NULL, NULL, 'benelux.csv', 300, 'https://app.apollo.io/#/people?titles=recruiter'),
    ('c1000000-0000-4000-8000-000000000004', 'Founders, Nordics', 'A/B test of subject lines', 'PAUSED', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1102',
     now() - interval '6 days', now() - interval '40 minutes', 'Paused: instantly service unavailable', 'Instantly 503 Service Unavailable', NULL, NULL, 'nordics.csv', 150, 'https://app.apollo.io/#/people?titles=founder'),
    ('c1000000-0000-4000-8000-000000000005', 'Marketing leads, Iberia', NULL, 'CREATED', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1102',
     now() - interval '1 hour', now() - interval '1 hour', NULL, NULL, NULL, NULL, 'iberia.csv', 80, 'https://app.apollo.io/#/people?titles=marketing'),
    ('c1000000-0000-4000-8000-000000000006', 'CFOs, winter', NULL, 'COMPLETED', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1102',
     now() - interval '60 days', now() - interval '58 days', 'Campaign completed', NULL, now() - interval '58 days', NULL, 'cfo.csv', 120, 'https://app.apollo.io/#/people?titles=cfo'),
    ('c1000000-0000-4000-8000-000000000007', 'Broken import', NULL, 'FAILED', '0e7a1c52-6f0b-4a53-9d1c-0b6f2a9c1102',
     now() - interval '20 days', now() - interval '20 days', NULL, 'CSV has no header', NULL, now() - interval '20 days', 'broken.csv', 10, 'https://app.apollo.io/#/people?titles=x');

-- Jobs: the paused ones hold the old wording; their task ids are those of messages
-- that are still in the broker where the number is odd.
INSERT INTO jobs (task_id, name, status, error, created_at, updated_at, completed_at, campaign_id, job_type)
SELECT format('7a5c0000-0000-4000-8000-%s', lpad(n::text, 12, '0')), v.name, v.status::jobstatus, v.error,
       now() - v.age, now() - v.touched, CASE WHEN v.done THEN now() - v.touched END, v.campaign, v.type::jobtype
FROM (VALUES
    (1, 'Fetch leads for CTOs in fintech', 'PAUSED', 'Paused due to apollo service unavailability: Apollo 502 Bad Gateway', interval '20 minutes', interval '4 minutes', false, 'c1000000-0000-4000-8000-000000000001', 'FETCH_LEADS'),
    (2, 'Fetch leads for Recruiters, Benelux', 'PAUSED', 'Paused due to apollo service unavailability: Apollo 502 Bad Gateway', interval '21 minutes', interval '4 minutes', false, 'c1000000-0000-4000-8000-000000000003', 'FETCH_LEADS'),
    (3, 'Fetch leads for Founders, Nordics', 'PAUSED', 'Paused due to apollo service unavailability: Apollo 502 Bad Gateway', interval '22 minutes', interval '4 minutes', false, 'c1000000-0000-4000-8000-000000000004', 'FETCH_LEADS'),
    (4, 'Enrich lead Ada', 'PAUSED', 'Paused due to perplexity service unavailability: Perplexity 429 Too Many Requests', interval '15 minutes', interval '14 minutes', false, 'c1000000-0000-4000-8000-000000000002', 'ENRICH_LEAD'),
    (5, 'Enrich lead Grace', 'PAUSED', 'Paused due to instantly service unavailability: Instantly 503 Service Unavailable', interval '41 minutes', interval '40 minutes', true, 'c1000000-0000-4000-8000-000000000002', 'ENRICH_LEAD'),
    (6, 'Enrich lead Edsger', 'PAUSED', 'Paused due to openai service unavailability: maintenance', interval '3 minutes', interval '2 minutes', false, 'c1000000-0000-4000-8000-000000000002', 'ENRICH_LEAD'),
    (7, 'Clean up CFOs, winter', 'PENDING', NULL, interval '1 minute', NULL, false, 'c1000000-0000-4000-8000-000000000006', 'CLEANUP_CAMPAIGN'),
    (9, 'Fetch more leads for CTOs in fintech', 'PENDING', NULL, interval '1 minute', NULL, false, 'c1000000-0000-4000-8000-000000000001', 'FETCH_LEADS'),
    (11, 'Enrich lead Barbara', 'PENDING', NULL, interval '1 minute', NULL, false, 'c1000000-0000-4000-8000-000000000002', 'ENRICH_LEAD'),
    (14, 'Fetch leads for CFOs, winter', 'COMPLETED', NULL, interval '59 days', interval '58 days', true, 'c1000000-0000-4000-8000-000000000006', 'FETCH_LEADS'),
    (16, 'Fetch leads for Broken import', 'FAILED', 'CSV has no header', interval '20 days', interval '20 days', true, 'c1000000-0000-4000-8000-000000000007', 'FETCH_LEADS'),
    (18, 'Enrich lead Alan', 'CANCELLED', 'Cancelled by user', interval '10 days', interval '10 days', true, 'c1000000-0000-4000-8000-000000000006', 'ENRICH_LEAD')
) AS v (n, name, status, error, age, touched, done, campaign, type)
ORDER BY n;

-- One lead for each enrichment job; the link holds jobs.id as text.
INSERT INTO leads (id, campaign_id, first_name, last_name, email, company, title, enrichment_job_id)
SELECT format('1ead0000-0000-4000-8000-%s', lpad(j.id::text, 12, '0')), j.campaign_id, split_part(j.name, ' ', 3), 'Example',
       lower(split_part(j.name, ' ', 3)) || '@example.org', 'Example Ltd', 'CTO', j.id::text
FROM jobs j WHERE j.job_type = 'ENRICH_LEAD';
