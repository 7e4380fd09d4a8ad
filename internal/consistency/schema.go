package consistency

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leadgenctl/leadgenctl/migrate/schema"
)

func schemaChecks() []*Check {
	return []*Check{
		{
			ID: "LGS001", Family: Schema, Severity: Warning, Title: "The enumeration jobstatus has a lower-case paused",
			Meaning: "A revision once added it by mistake. The app's own enumeration has no such label: it fails on a job that holds it, and such a job is never resumed.",
			Remedy:  "If jobs hold it (they are named here): `UPDATE jobs SET status = 'PAUSED' WHERE status::text = 'paused'`, then `leadgenctl reconcile`. The label itself does no harm once `leadgenctl migrate up` has forbidden it for jobs.",
			table:   lowerCaseJobs, inspect: lowerCasePaused, Reads: lowerCaseLabelSQL + ";\n" + lowerCaseJobs.sql(),
		},
		{
			ID: "LGS002", Family: Schema, Severity: Warning, Title: "Our own migrations are behind",
			Meaning: "leadgenctl has migrations that this database does not: commands that need them refuse, or the last step of the change is still to come.",
			Remedy:  "`leadgenctl migrate status` and `leadgenctl migrate plan`, then `leadgenctl migrate up` (`--to base` for our own tables only).",
			needs:   postgres, inspect: migrationsBehind, Reads: versionSQL,
		},
		{
			ID: "LGS003", Family: Schema, Severity: Error, Title: "Our own migrations are dirty or unknown",
			Meaning: "A migration was interrupted, or a newer leadgenctl has migrated this database.",
			Remedy:  "Dirty: `leadgenctl migrate repair`. Unknown: use the newer leadgenctl.",
			needs:   postgres, inspect: migrationsDirty, Reads: versionSQL,
		},
		{
			ID: "LGS004", Family: Schema, Severity: Warning, Title: "The app's Alembic revision is not the one that we know",
			Meaning: "leadgenctl was made for revision " + alembicHead + ". With another one, or a second one beside it, tables may differ.",
			Remedy:  "See which revision the app wants: `docker exec leadgen-api-1 flask db current`. If the app is newer, look for a newer leadgenctl.",
			needs:   postgres, inspect: alembicUnknown, Reads: alembicSQL,
		},
		{
			ID: "LGS005", Family: Schema, Severity: Error, Title: "Enumerations do not have the labels that they should",
			Meaning: "A label that the app writes is missing, or there is one that nobody knows: reads or writes of such a row fail.",
			Remedy:  "Compare with the app's Alembic revisions, and add what is missing: `ALTER TYPE … ADD VALUE …`. Find out who changed the type.",
			needs:   postgres, inspect: labelsUnexpected, Reads: labelsSQL,
		},
		{
			ID: "LGS006", Family: Schema, Severity: Warning, Title: "Indexes are invalid",
			Meaning: "An index was built concurrently and that failed: it slows writes down and serves no query; a unique one does not keep doubles out.",
			Remedy:  "`REINDEX INDEX CONCURRENTLY <name>`, or drop it when nobody needs it.",
			needs:   postgres, inspect: catalogue(invalidIndexesSQL), Reads: invalidIndexesSQL,
		},
		{
			ID: "LGS007", Family: Schema, Severity: Warning, Title: "Constraints are not validated",
			Meaning: "Rows from before the constraint may break it.",
			Remedy:  "`ALTER TABLE <table> VALIDATE CONSTRAINT <name>`; it names the first row that breaks it, and blocks nobody.",
			needs:   postgres, inspect: catalogue(notValidatedSQL), Reads: notValidatedSQL,
		},
		{
			ID: "LGS008", Family: Schema, Severity: Error, Title: "Tables or columns that leadgenctl needs are missing",
			Meaning: "This is not the platform's database, or its Alembic revisions were not applied.",
			Remedy:  "Look at the address: `leadgenctl config view`. Then apply the app's revisions: `docker exec leadgen-api-1 flask db upgrade`.",
			needs:   postgres, inspect: columnsMissing, Reads: columnsSQL,
		},
	}
}

// alembicHead is the app's revision that we know.
const alembicHead = "02bc375f16d5"

const (
	versionSQL        = `SELECT version, dirty FROM leadgenctl.schema_migrations`
	alembicSQL        = `SELECT version_num::text FROM alembic_version ORDER BY 1`
	labelsSQL         = `SELECT t.typname || '.' || e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid WHERE t.oid IN (to_regtype('campaignstatus'), to_regtype('jobstatus'), to_regtype('jobtype'))`
	invalidIndexesSQL = `SELECT format('index %s on %s', i.indexrelid::regclass, i.indrelid::regclass) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
WHERE NOT i.indisvalid AND c.relnamespace IN (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('jobs') UNION SELECT oid FROM pg_namespace WHERE nspname = 'leadgenctl') ORDER BY 1`
	// Those of our own that are left so on purpose have checks of their own.
	notValidatedSQL = `SELECT format('constraint %s on %s', conname, conrelid::regclass) FROM pg_constraint
WHERE NOT convalidated AND conrelid <> 0 AND connamespace IN (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('jobs') UNION SELECT oid FROM pg_namespace WHERE nspname = 'leadgenctl')
	AND conname NOT IN ('leadgenctl_campaign_not_paused', 'leadgenctl_status_spelling') ORDER BY 1`
	// Of the tables that the search_path finds. information_schema hides what the role may not read.
	columnsSQL = `SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid IN (to_regclass('organizations'), to_regclass('campaigns'), to_regclass('jobs'), to_regclass('leads'), to_regclass('alembic_version'))`
)

// catalogue reads findings that a query of the system catalogues names.
func catalogue(sql string) func(context.Context, *look, *Check) (outcome, error) {
	return func(ctx context.Context, l *look, _ *Check) (outcome, error) {
		found, err := l.texts(ctx, sql)
		return many(l, found), err
	}
}

// version is what is applied of our own migrations; 0 for nothing.
func (l *look) version(ctx context.Context) (version int64, dirty bool, err error) {
	if there, err := l.installed("schema_migrations"); err != nil || !there {
		return 0, false, err
	}
	err = l.row(ctx, versionSQL, nil, &version, &dirty)
	if errors.Is(err, pgx.ErrNoRows) {
		err = nil
	}
	return version, dirty, err
}

func migrationsBehind(ctx context.Context, l *look, _ *Check) (outcome, error) {
	version, _, err := l.version(ctx)
	if err != nil {
		return outcome{}, err
	}
	all, err := schema.Migrations()
	if err != nil {
		return outcome{}, err
	}
	var samples []string
	for _, m := range all {
		if int64(m.Version) > version {
			samples = append(samples, "migration "+m.String())
		}
	}
	return many(l, samples), nil
}

func migrationsDirty(ctx context.Context, l *look, _ *Check) (outcome, error) {
	version, dirty, err := l.version(ctx)
	if err != nil {
		return outcome{}, err
	}
	if dirty {
		return one(fmt.Sprintf("version %d is dirty", version)), nil
	}
	all, err := schema.Migrations()
	if err != nil {
		return outcome{}, err
	}
	known := version <= 0 || slices.ContainsFunc(all, func(m schema.Migration) bool { return int64(m.Version) == version })
	if !known {
		return one(fmt.Sprintf("version %d is unknown to this leadgenctl", version)), nil
	}
	return outcome{}, nil
}

func alembicUnknown(ctx context.Context, l *look, _ *Check) (outcome, error) {
	found, err := l.texts(ctx, alembicSQL)
	switch {
	case err != nil:
		return outcome{}, err
	case len(found) == 0:
		return one("alembic_version is empty"), nil
	case len(found) == 1 && found[0] == alembicHead:
		return outcome{}, nil
	}
	return one("alembic_version is " + strings.Join(found, ", ")), nil
}

// labels that must be there, and others that may.
var (
	neededLabels = []string{"campaignstatus.CREATED", "campaignstatus.RUNNING", "campaignstatus.COMPLETED", "campaignstatus.FAILED",
		"jobstatus.PENDING", "jobstatus.PROCESSING", "jobstatus.COMPLETED", "jobstatus.FAILED", "jobstatus.CANCELLED", "jobstatus.PAUSED",
		"jobtype.FETCH_LEADS", "jobtype.ENRICH_LEAD", "jobtype.CLEANUP_CAMPAIGN"}
	otherLabels = []string{"campaignstatus.PAUSED", "campaignstatus.PAUSED__retired", "jobstatus.paused"}
)

func labelsUnexpected(ctx context.Context, l *look, _ *Check) (outcome, error) {
	have, err := l.texts(ctx, labelsSQL)
	if err != nil {
		return outcome{}, err
	}
	var samples []string
	for _, n := range neededLabels {
		if !slices.Contains(have, n) {
			samples = append(samples, n+" is missing")
		}
	}
	for _, h := range have {
		if !slices.Contains(neededLabels, h) && !slices.Contains(otherLabels, h) {
			samples = append(samples, h+" is unknown")
		}
	}
	return many(l, samples), nil
}

var neededColumns = strings.Fields(`organizations.id campaigns.id campaigns.name campaigns.status campaigns.organization_id
	campaigns.updated_at campaigns.status_message campaigns.status_error campaigns.completed_at campaigns.failed_at
	jobs.id jobs.task_id jobs.status jobs.error jobs.created_at jobs.updated_at jobs.completed_at jobs.campaign_id jobs.job_type
	leads.id leads.campaign_id leads.enrichment_job_id alembic_version.version_num`)

func columnsMissing(ctx context.Context, l *look, _ *Check) (outcome, error) {
	have, err := l.texts(ctx, columnsSQL)
	if err != nil {
		return outcome{}, err
	}
	var samples []string
	for _, n := range neededColumns {
		if !slices.Contains(have, n) {
			samples = append(samples, n)
		}
	}
	return many(l, samples), nil
}

const lowerCaseLabelSQL = `SELECT format('type %s, label %s', enumtypid::regtype, enumlabel) FROM pg_enum
WHERE enumtypid = to_regtype('jobstatus') AND enumlabel = 'paused'`

// lowerCaseJobs is judged by the label: without it the literal would be none.
var lowerCaseJobs = &rowSet{from: jobs, where: "j.status = 'paused'", key: "j.id", sample: jobSample, judge: func(l *look) (bool, error) {
	labels, err := l.texts(l.ctx, lowerCaseLabelSQL)
	return len(labels) > 0, err
}}

func lowerCasePaused(ctx context.Context, l *look, c *Check) (outcome, error) {
	o, err := inspectRows(ctx, l, c)
	if err != nil {
		return o, err
	}
	labels, err := l.texts(ctx, lowerCaseLabelSQL)
	if err != nil || len(labels) == 0 {
		return outcome{}, err
	}
	o.count += int64(len(labels))
	o.subjects, o.samples = append(o.subjects, labels...), append(o.samples, labels...)
	o.samples = o.samples[:min(len(o.samples), l.options.MaxSamples)]
	return o, nil
}
