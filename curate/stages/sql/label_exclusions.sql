-- Labels that are left out one by one, and images that are left out whole.
SELECT $manifest_id AS manifest_id, p.image_id, p.class_key, 'build-manifest' AS stage, d.rule,
       CASE d.rule WHEN 'below_threshold' THEN format('p_correct {:.3f} < {:.3f}', p.p_correct, d.threshold)
                   ELSE d.detail END AS detail
FROM pairs AS p JOIN decisions AS d USING (class_key)
WHERE d.status <> 'kept' OR p.p_correct < d.threshold
UNION ALL
SELECT DISTINCT $manifest_id, m.image_id, m.class_key, 'build-hierarchy', u.rule,
       u.name || CASE u.rule WHEN 'few_images' THEN format(' has {} images, too few for a class', u.n_images)
                             WHEN 'max_classes' THEN format(' with {} images is not among the largest classes', u.n_images)
                             WHEN 'above_kept' THEN ' lies above a class that was kept'
                             ELSE ' lies below a class that was kept' END
FROM mentions AS m JOIN rollups AS u USING (class_key) ANTI JOIN whole AS w ON w.image_id = m.image_id
WHERE u.kept_key = ''
UNION ALL
SELECT $manifest_id, image_id, '', stage, rule, detail FROM whole
