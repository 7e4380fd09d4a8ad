-- Everything that depends on the type $1, its array type, or a column of one of them.
WITH t AS (
    SELECT oid, typarray FROM pg_type WHERE oid = $1::oid
), cols AS (
    SELECT a.attrelid, a.attnum FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, t
    WHERE a.atttypid IN (t.oid, t.typarray) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'm', 'v', 'c')
), deps AS (
    SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_depend d, t
    WHERE d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray)
    UNION
    SELECT DISTINCT d.classid, d.objid, d.objsubid FROM pg_depend d JOIN cols c ON d.refobjid = c.attrelid AND d.refobjsubid = c.attnum
    WHERE d.refclassid = 'pg_class'::regclass
)
SELECT d.classid::regclass::text AS class,
    coalesce(c.relkind::text, k.contype::text, '') AS kind,
    pg_describe_object(d.classid, d.objid, d.objsubid) AS name,
    coalesce(k.conname, i.relname, g.tgname, s.stxname, '') AS ident,
    coalesce(k.conrelid, g.tgrelid, x.indrelid, s.stxrelid, ad.adrelid, 0)::oid AS rel,
    CASE WHEN k.oid IS NOT NULL THEN pg_get_constraintdef(k.oid) WHEN x.indexrelid IS NOT NULL THEN pg_get_indexdef(x.indexrelid)
        WHEN g.oid IS NOT NULL THEN pg_get_triggerdef(g.oid) WHEN s.oid IS NOT NULL THEN pg_get_statisticsobjdef(s.oid) ELSE '' END AS definition,
    coalesce(k.convalidated, x.indisvalid, true) AS valid,
    coalesce(x.indisclustered OR x.indisreplident OR x.indisprimary OR own.oid IS NOT NULL, false) AS special,
    coalesce(g.tgenabled::text, '') AS enabled,
    coalesce(g.tgisinternal OR g.tgparentid <> 0, false) AS internal,
    coalesce(ga.attgenerated <> '', false) AS generated,
    obj_description(d.objid, d.classid::regclass::name) AS comment
FROM deps d
LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
LEFT JOIN pg_class i ON i.oid = c.oid AND i.relkind = 'i'
LEFT JOIN pg_index x ON x.indexrelid = i.oid
LEFT JOIN pg_constraint own ON own.conindid = i.oid AND own.contype IN ('p', 'u', 'x')
LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
LEFT JOIN pg_trigger g ON d.classid = 'pg_trigger'::regclass AND g.oid = d.objid
LEFT JOIN pg_statistic_ext s ON d.classid = 'pg_statistic_ext'::regclass AND s.oid = d.objid
LEFT JOIN pg_attrdef ad ON d.classid = 'pg_attrdef'::regclass AND ad.oid = d.objid
LEFT JOIN pg_attribute ga ON ga.attrelid = ad.adrelid AND ga.attnum = ad.adnum
ORDER BY 1, 3
