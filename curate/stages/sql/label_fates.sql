-- What becomes of each usable label: the rule that leaves it out, or NULL, and its weight in training.
SELECT u.image_id, u.direct_key, u.class_key, u.p_correct,
       CASE WHEN is_precise OR (u.rule IS NULL AND $keep = 'all' AND d.class_id IS NOT NULL) THEN NULL
            ELSE coalesce(u.rule, d.rule) END AS rule,
       CASE WHEN is_precise THEN 1.0 ELSE u.p_correct END AS weight
FROM (SELECT u.*, u.rule IS NULL AND d.status = 'kept' AND u.p_correct >= d.threshold AS is_precise
      FROM usable AS u JOIN decisions AS d USING (class_key)) AS u
JOIN decisions AS d USING (class_key)
