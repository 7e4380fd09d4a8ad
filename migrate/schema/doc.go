// Package schema installs and removes what leadgenctl keeps in PostgreSQL, and
// carries the campaign gate and the enum drop: numbered SQL files, embedded, run
// by golang-migrate. The version table is leadgenctl.schema_migrations; the
// platform's own alembic_version is read and never written.
//
// A file runs as one multi-statement query, which PostgreSQL executes in one
// transaction: it is applied as a whole or not at all. Each file says in its first
// lines, as "-- applied: <boolean SQL expression>", how to see that it is applied;
// that is how a version that an interruption left dirty is mended.
package schema
