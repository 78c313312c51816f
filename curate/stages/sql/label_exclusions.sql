-- Labels that are left out one by one, and images that are left out whole.
SELECT $manifest_id AS manifest_id, p.image_id, p.class_key, 'build-manifest' AS stage, d.rule,
       CASE d.rule WHEN 'below_threshold' THEN format('p_correct {:.3f} < {:.3f}', p.p_correct, d.threshold)
                   ELSE d.detail END AS detail
FROM pairs AS p JOIN decisions AS d USING (class_key)
WHERE d.status <> 'kept' OR p.p_correct < d.threshold
UNION ALL
SELECT $manifest_id, image_id, '', stage, rule, detail FROM whole
