-- What people said about each drawn pair: superseded verdicts dropped, stale ones (other bytes) dropped, volunteered
-- ones never in; of one auditor's several the latest, unless that takes it back; of several auditors the majority, a tie
-- or an unsure = wrong.
-- A pair that two samples drew was judged for both.
WITH standing AS (
    SELECT image_id, class_key, auditor, verdict, audited_at, verdict_id
    FROM audits
    SEMI JOIN audit_samples USING (sample_id, image_id, class_key)
    SEMI JOIN images ON images.image_id = audits.image_id AND images.sha256 = audits.image_sha256
    WHERE verdict_id NOT IN (SELECT supersedes FROM audits WHERE supersedes IS NOT NULL)
), latest AS (
    SELECT image_id, class_key, auditor, arg_max(verdict, (audited_at, verdict_id)) AS verdict
    FROM standing GROUP BY ALL
), resolved AS (
    SELECT
        image_id, class_key,
        count(*) FILTER (verdict = 'correct') > count(*) FILTER (verdict <> 'correct') AS is_correct
    FROM latest WHERE verdict <> 'withdrawn' GROUP BY ALL
)
SELECT s.class_key, s.frame, s.look, s.error_share, s.image_id, r.is_correct
FROM audit_samples AS s LEFT JOIN resolved AS r USING (image_id, class_key)
ORDER BY s.class_key, s.frame, s.look, s.image_id
