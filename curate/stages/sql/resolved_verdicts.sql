-- What people said about each drawn pair: superseded verdicts dropped, stale ones (other bytes) dropped, volunteered
-- ones never in; of one auditor's several the latest; of several auditors the majority, a tie or an unsure = wrong.
WITH standing AS (
    SELECT a.sample_id, a.auditor, a.verdict, a.audited_at, a.verdict_id
    FROM audits AS a
    JOIN audit_samples AS s
        ON a.sample_id = s.sample_id AND a.image_id = s.image_id AND a.class_key = s.class_key
    JOIN images AS i ON i.image_id = a.image_id AND i.sha256 = a.image_sha256
    WHERE a.verdict_id NOT IN (SELECT supersedes FROM audits WHERE supersedes IS NOT NULL)
), latest AS (
    SELECT sample_id, auditor, arg_max(verdict, (audited_at, verdict_id)) AS verdict
    FROM standing GROUP BY sample_id, auditor
), resolved AS (
    SELECT sample_id, count(*) FILTER (verdict = 'correct') > count(*) FILTER (verdict <> 'correct') AS is_correct
    FROM latest GROUP BY sample_id
)
SELECT s.class_key, s.frame, s.stratum, s.image_id, s.sample_id, r.is_correct
FROM audit_samples AS s LEFT JOIN resolved AS r USING (sample_id)
ORDER BY s.class_key, s.frame, s.stratum, s.sample_id
