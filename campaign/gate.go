package campaign

// GateFaultSQL is a query for one text: what is wrong with the gate that keeps PAUSED out
// of campaigns; empty for nothing, and where the enumeration has no such value. A value
// that is retired wants its gate too: a statement prepared before still writes it.
const GateFaultSQL = `SELECT CASE
	WHEN NOT EXISTS (SELECT FROM pg_enum WHERE enumtypid = to_regtype('campaignstatus') AND enumlabel IN ('PAUSED', 'PAUSED__retired')) THEN ''
	WHEN k.oid IS NULL THEN 'is missing'
	WHEN pg_get_expr(k.conbin, k.conrelid) IS DISTINCT FROM '((status)::text <> ALL (ARRAY[''PAUSED''::text, ''PAUSED__retired''::text]))'
		THEN 'tests something else'
	WHEN NOT k.convalidated THEN '` + GateFaultNotValidated + `'
	ELSE '' END
FROM (VALUES (to_regclass('campaigns'))) AS campaigns (oid)
LEFT JOIN pg_constraint k ON k.conrelid = campaigns.oid AND k.conname = 'leadgenctl_campaign_not_paused'`

// GateFaultNotValidated is the fault of a gate that keeps new rows out, and has not looked at old ones.
const GateFaultNotValidated = "is not validated"
